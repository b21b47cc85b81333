#pragma once

#include <cstdint>
#include <string>

namespace sigra::nginx {

// ISO 8601 in UTC, in whole seconds: 2026-11-24T05:24:10Z.
[[nodiscard]] std::string format_authenticated_at(std::int64_t unix_seconds);

}  // namespace sigra::nginx
