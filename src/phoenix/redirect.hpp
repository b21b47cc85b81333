// Where a visitor may be sent.
#pragma once

#include <string_view>

namespace sigra::phoenix {

// A path on this site that no browser reads as another: starts with one `/`,
// no `\` and no control character anywhere, nor percent-encoded in the path,
// and dot segments (plain or encoded) do not lead to a `//`.
[[nodiscard]] bool is_local_path(std::string_view target);

// `target` where it is local, else "/".
[[nodiscard]] std::string_view local_path_or_root(std::string_view target);

}  // namespace sigra::phoenix
