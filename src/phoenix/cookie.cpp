#include "phoenix/cookie.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::string_view white_space = " \t\r\n\v\f";

// Tab, line feed, vertical tab, form feed, carriage return.
bool is_control_space(char c) {
    return static_cast<unsigned char>(c - '\t') <= '\r' - '\t';
}

// Reads blocks of a fixed size without branches, so that the compiler uses
// vector instructions. The last block overlaps the one before.
bool has_control_space(std::string_view text) {
    constexpr std::size_t block = 32;
    if (text.size() < block)
        return std::ranges::any_of(text, is_control_space);
    std::array<unsigned char, block> found{};
    const auto look_at = [&](const char* bytes) {
        for (std::size_t i = 0; i < block; ++i)
            found[i] |= is_control_space(bytes[i]);
    };
    for (std::size_t at = 0; at + block < text.size(); at += block)
        look_at(text.data() + at);
    look_at(text.data() + text.size() - block);
    return found != decltype(found){};
}

bool is_white_space(char c) {
    return c == ' ' || is_control_space(c);
}

// A loop instead of memcmp(), because names are short.
bool starts_with(std::string_view text, std::string_view name) {
    std::size_t at = 0;
    while (at < name.size() && text[at] == name[at])
        ++at;
    return at == name.size();
}

// Returns the value of a pair (the text between two semicolons) if its name is
// `name`.
[[gnu::always_inline]] inline std::optional<std::string_view> named_value(
    std::string_view pair, std::string_view name) {
    while (!pair.empty() && (pair.front() == ' ' || pair.front() == '\t'))
        pair.remove_prefix(1);
    if (pair.size() <= name.size() || pair[name.size()] != '=' ||
        !starts_with(pair, name))
        return std::nullopt;
    pair.remove_prefix(name.size() + 1);
    while (!pair.empty() && pair.back() == ' ')
        pair.remove_suffix(1);
    return pair;
}

// Takes the text up to the next semicolon, and the semicolon, from `rest`.
[[gnu::always_inline]] inline std::string_view next_pair(
    std::string_view& rest) {
    const auto end = rest.find(';');
    const auto pair = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    return pair;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(white_space);
    if (first == text.npos)
        return {};
    return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

bool is_one_of(std::string_view pair, std::span<const std::string_view> names) {
    const auto name = trimmed(pair.substr(0, pair.find('=')));
    return std::ranges::any_of(
        names, [&](auto other) { return equal_ignoring_case(name, other); });
}

constexpr std::int64_t last_second = 253402300799;  // of the year 9999

// `Tue, 24 Nov 2026 05:24:10 GMT`
std::string http_date(std::int64_t time_s) {
    static constexpr std::array days{"Sun", "Mon", "Tue", "Wed",
                                     "Thu", "Fri", "Sat"};
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr",
                                       "May", "Jun", "Jul", "Aug",
                                       "Sep", "Oct", "Nov", "Dec"};
    using namespace std::chrono;
    const sys_seconds time{
        seconds(std::clamp<std::int64_t>(time_s, 0, last_second))};
    const auto day = floor<std::chrono::days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    std::array<char, 64> out;
    const int length = std::snprintf(
        out.data(), out.size(), "%s, %02u %s %d %02d:%02d:%02d GMT",
        days[weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
        months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), static_cast<int>(clock.hours().count()),
        static_cast<int>(clock.minutes().count()),
        static_cast<int>(clock.seconds().count()));
    return std::string(out.data(), static_cast<std::size_t>(length));
}

std::int64_t later(std::int64_t now_s, std::int64_t by_s) {
    std::int64_t sum;
    if (__builtin_add_overflow(now_s, by_s, &sum))
        return by_s < 0 ? 0 : last_second;
    return sum;
}

std::string write_cookie(std::string_view name, std::string_view value,
                         const CookieAttributes& attributes,
                         std::string_view life) {
    std::string out(name);
    const auto attribute = [&](std::string_view before, std::string_view text) {
        if (!text.empty())
            out.append(before).append(text);
    };
    out.append("=").append(value).append("; path=").append(attributes.path);
    attribute("; domain=", attributes.domain);
    out += life;
    attribute("; ", attributes.secure ? "secure" : "");
    out += "; HttpOnly";
    attribute("; SameSite=", attributes.same_site);
    return out;
}

std::string life_of(std::int64_t expires_s, std::int64_t max_age) {
    return "; expires=" + http_date(expires_s) +
           "; max-age=" + std::to_string(max_age);
}

}  // namespace

std::optional<std::string_view> find_cookie(std::string_view header,
                                            std::string_view name) {
    if (name.empty() || std::ranges::any_of(name, is_white_space))
        return std::nullopt;
    while (!header.empty()) {
        const auto value = named_value(next_pair(header), name);
        // Plug ignores a pair with such a value.
        if (value && !has_control_space(*value))
            return value;
    }
    return std::nullopt;
}

[[gnu::hot]] std::optional<std::string_view> first_cookie(
    std::string_view header, std::string_view name) {
    while (!header.empty())
        if (const auto value = named_value(next_pair(header), name))
            return value;
    return std::nullopt;
}

std::string without_cookies(std::string_view header,
                            std::span<const std::string_view> names) {
    std::string out;
    while (!header.empty()) {
        auto pair = next_pair(header);
        if (is_one_of(pair, names))
            continue;
        if (out.empty())
            pair.remove_prefix(
                std::min(pair.find_first_not_of(' '), pair.size()));
        else
            out += ';';
        out += pair;
    }
    return out;
}

std::string with_cookie(std::string_view header, std::string_view name,
                        std::string_view value) {
    std::string out(name);
    out.append("=").append(value);
    const auto others = without_cookies(header, std::array{name});
    if (!others.empty())
        out.append("; ").append(others);
    return out;
}

std::string set_cookie(std::string_view name, std::string_view value,
                       const CookieAttributes& attributes, std::int64_t now_s) {
    const auto& age = attributes.max_age;
    return write_cookie(name, value, attributes,
                        age ? life_of(later(now_s, *age), *age) : "");
}

std::string clear_cookie(std::string_view name,
                         const CookieAttributes& attributes) {
    return write_cookie(name, "", attributes, life_of(0, 0));
}

}  // namespace sigra::phoenix
