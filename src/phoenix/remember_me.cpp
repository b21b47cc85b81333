#include "phoenix/remember_me.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "phoenix/term.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t old_max_age_ms = 86'400'000;

struct Parts {
    std::string_view token, signed_at;
    std::optional<std::string_view> max_age;  // none: the older forms
};

std::optional<Parts> parts_of_map(
    const std::vector<std::pair<std::string_view, std::string_view>>& pairs) {
    Parts parts;
    for (const auto& [key, value] : pairs) {
        const auto name = term::as_atom(key);
        if (name == "data")
            parts.token = value;
        else if (name == "signed")
            parts.signed_at = value;
    }
    if (parts.token.empty() || parts.signed_at.empty())
        return std::nullopt;
    return parts;
}

std::optional<Parts> parts_of(std::string_view term) {
    if (const auto pairs = term::as_map(term))
        return parts_of_map(*pairs);
    const auto tuple = term::as_tuple(term);
    if (!tuple || tuple->size() < 2 || tuple->size() > 3)
        return std::nullopt;
    Parts parts{(*tuple)[0], (*tuple)[1], std::nullopt};
    if (tuple->size() == 3)
        parts.max_age = (*tuple)[2];
    return parts;
}

// As Plug.Crypto: trunc(max_age * 1000). Returns nullopt if the term is not an
// age, -1 if it is not positive, and `never` for :infinity or a number that is
// too large.
std::optional<std::int64_t> max_age_ms(std::string_view term) {
    if (term::as_atom(term) == "infinity")
        return never;
    if (const auto seconds = term::as_float(term)) {
        const double ms = std::trunc(*seconds * 1000);
        if (*seconds <= 0)
            return -1;
        return ms < 9e18 ? static_cast<std::int64_t>(ms) : never;
    }
    const auto seconds = term::as_number(term);
    if (!seconds)
        return std::nullopt;
    if (seconds->value <= 0)
        return -1;
    std::int64_t ms;
    return __builtin_mul_overflow(seconds->value, 1000, &ms) ? never : ms;
}

bool is_over(std::int64_t signed_at, std::int64_t max_age,
             std::int64_t now_ms) {
    if (max_age < 0)
        return true;
    std::int64_t end;
    return max_age != never &&
           !__builtin_add_overflow(signed_at, max_age, &end) && end < now_ms;
}

}  // namespace

RememberMe read_remember_me(std::string_view payload, std::int64_t now_ms) {
    const auto root = term::checked(payload);
    const auto parts = root ? parts_of(*root) : std::nullopt;
    if (!parts)
        return {};
    const auto token = term::as_binary(parts->token);
    const auto signed_at = term::as_number(parts->signed_at);
    const auto max_age =
        parts->max_age ? max_age_ms(*parts->max_age) : old_max_age_ms;
    if (!token || !signed_at || !max_age || signed_at->value > now_ms)
        return {};
    if (is_over(signed_at->value, *max_age, now_ms))
        return {RememberMe::State::expired, {}};
    return {RememberMe::State::valid, std::string(*token)};
}

std::string write_remember_me(std::string_view token, std::int64_t now_ms,
                              std::int64_t max_age_s) {
    std::string payload;
    term::write_version(payload);
    term::write_tuple_header(payload, 3);
    term::write_binary(payload, token);
    term::write_integer(payload, now_ms);
    term::write_integer(payload, max_age_s);
    return payload;
}

std::string signed_cookie_salt(std::string_view cookie_name) {
    return std::string(cookie_name) + "_cookie";
}

}  // namespace sigra::phoenix
