// What PostgreSQL said of a user beside who it is, as a lookup's result, a
// zone's cell and a request keep it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/verdict.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// In the order of the source's numbers; nullopt is NULL.
[[nodiscard]] std::string encode_attributes(
    const std::vector<std::optional<std::string>>& attributes);
// nullopt: it is NULL, or `encoded` has not that many.
[[nodiscard]] std::optional<std::string_view> attribute_at(
    std::string_view encoded, std::size_t number);

// The location's attributes as JSON, {"name":"value",…}; null for NULL.
[[nodiscard]] std::string attributes_as_json(const Rules& rules,
                                             std::string_view encoded);

enum class Standing { may, may_not, not_known };

// Whether these meet the location's rules; $variables are looked at by
// variables_hold().
[[nodiscard]] Standing standing(const Rules& rules, std::uint64_t met,
                                std::uint64_t judged, std::uint32_t readable);

// What could not be evaluated is kept to spare the database, not because it is
// known: whoever wants it has it asked for again, once a second.
[[nodiscard]] bool is_doubtful(const Rules& rules, const LookedUp& found);

// Each of the location's $variables is neither empty nor "0". They may name
// what was just found of the user.
[[nodiscard]] bool variables_hold(ngx_http_request_t* r, const Rules& rules);

}  // namespace sigra::nginx
