#include "nginx/gate/facts.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "nginx/gate/answer.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/visit.hpp"

namespace sigra::nginx {
namespace {

// False for what nginx takes as false (empty and "0") and for a boolean that
// PostgreSQL reads as false, in any case: no way to say no may grant access.
bool says_yes(std::string_view value) {
    constexpr std::array<std::string_view, 7> no = {"",   "0", "false", "f",
                                                    "no", "n", "off"};
    return std::none_of(no.begin(), no.end(), [&](std::string_view word) {
        return equal_ignoring_case(word, trim(value));
    });
}

// Each value is preceded by its length; this length stands for NULL.
using Length = std::uint32_t;
constexpr Length null_length = std::numeric_limits<Length>::max();

}  // namespace

std::string encode_attributes(
    const std::vector<std::optional<std::string>>& attributes) {
    std::size_t size = 0;
    for (const auto& attribute : attributes) {
        size += sizeof(Length) + (attribute ? attribute->size() : 0);
    }
    std::string out;
    out.reserve(size);
    for (const auto& attribute : attributes) {
        const Length length =
            attribute ? static_cast<Length>(attribute->size()) : null_length;
        out.append(reinterpret_cast<const char*>(&length), sizeof(length));
        if (attribute) {
            out += *attribute;
        }
    }
    return out;
}

std::optional<std::string_view> attribute_at(std::string_view encoded,
                                             std::size_t number) {
    while (encoded.size() >= sizeof(Length)) {
        Length length = 0;
        std::memcpy(&length, encoded.data(), sizeof(length));
        encoded.remove_prefix(sizeof(length));
        const bool is_null = length == null_length;
        if (!is_null && length > encoded.size()) {
            break;
        }
        if (number-- == 0) {
            return is_null ? std::nullopt
                           : std::optional(encoded.substr(0, length));
        }
        encoded.remove_prefix(is_null ? 0 : length);
    }
    return std::nullopt;
}

std::string attributes_as_json(const Rules& rules, std::string_view encoded) {
    std::string out = "{";
    for (std::size_t i = 0; i < rules.numbers.size(); i++) {
        const auto value = attribute_at(encoded, rules.numbers[i]);
        out += i == 0 ? "" : ",";
        out += json_string((*rules.settings)[i].name);
        out += ':';
        out += value ? json_string(*value) : "null";
    }
    return out + "}";
}

Standing standing(const Rules& rules, std::uint64_t met, std::uint64_t judged,
                  std::uint32_t readable) {
    if ((rules.conditions & ~judged) != 0 ||
        (rules.attributes & ~readable) != 0) {
        return Standing::not_known;
    }
    return (rules.conditions & ~met) != 0 ? Standing::may_not : Standing::may;
}

bool is_doubtful(const Rules& rules, const LookedUp& found) {
    constexpr std::int64_t ask_again_after_ms = 1000;
    return found.how == Status::hit &&
           found.state == LookupResult::State::found &&
           found.kept_ms >= ask_again_after_ms &&
           standing(rules, found.met, found.judged, found.readable) ==
               Standing::not_known;
}

bool variables_hold(ngx_http_request_t* r, const Rules& rules) {
    if (rules.variables.empty()) {
        return true;
    }
    Visit* visit = find_visit(r);
    if (visit == nullptr) {
        return false;
    }
    visit->is_being_judged = true;
    const bool hold = std::all_of(
        rules.variables.begin(), rules.variables.end(), [&](ngx_int_t index) {
            const ngx_http_variable_value_t* value =
                ngx_http_get_flushed_variable(r,
                                              static_cast<ngx_uint_t>(index));
            return value != nullptr && value->not_found == 0 &&
                   says_yes({reinterpret_cast<const char*>(value->data),
                             value->len});
        });
    visit->is_being_judged = false;
    return hold;
}

}  // namespace sigra::nginx
