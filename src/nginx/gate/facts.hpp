// What PostgreSQL said about a user beside the identity: which conditions of
// auth_sigra_require hold, and the values of auth_sigra_attribute. A lookup's
// result, a cell of the zone and a request keep these facts.
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

// The values in the order in which the source numbers them; nullopt is NULL.
[[nodiscard]] std::string encode_attributes(
    const std::vector<std::optional<std::string>>& attributes);
// Nullopt where the value is NULL or `encoded` has fewer values.
[[nodiscard]] std::optional<std::string_view> attribute_at(
    std::string_view encoded, std::size_t number);

// The location's attributes as JSON, {"name":"value",…}; null for NULL.
[[nodiscard]] std::string attributes_as_json(const Rules& rules,
                                             std::string_view encoded);

enum class Standing { may, may_not, not_known };

// Whether a user with these facts may pass by the location's rules. Their
// $variables are left to variables_hold().
[[nodiscard]] Standing standing(const Rules& rules, std::uint64_t met,
                                std::uint64_t judged, std::uint32_t readable);

// Whether `found` should be looked up again: the location needs a condition or
// an attribute that could not be evaluated, and this was cached a second ago or
// more. It is cached only to spare the database.
[[nodiscard]] bool is_doubtful(const Rules& rules, const LookedUp& found);

// Whether none of the location's $variables is empty, "0" or a word that means
// no. They may refer to the user who was just found.
[[nodiscard]] bool variables_hold(ngx_http_request_t* r, const Rules& rules);

}  // namespace sigra::nginx
