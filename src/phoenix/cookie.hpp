// Plug.Conn.Cookies: the Cookie header read, Set-Cookie written.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// The value of the first pair called `name`, compared byte for byte; reads
// the header as Plug does (quotes mean nothing).
[[nodiscard]] std::optional<std::string_view> find_cookie(
    std::string_view header, std::string_view name);

// The same, where the first pair called `name` is one that Plug keeps: nobody
// has looked at its value, and who takes it knows it already. `name`: not empty
// and without white space.
[[nodiscard]] std::optional<std::string_view> first_cookie(
    std::string_view header, std::string_view name);

// The header with every pair called one of `names` gone; the others keep
// their bytes. Empty when none is left. A pair whose name matches after
// trimming or without regard to case goes too: an upstream may read it so.
[[nodiscard]] std::string without_cookies(
    std::string_view header, std::span<const std::string_view> names);

// The header with `name` set to `value`: every pair of that name goes, the
// new one stands first.
[[nodiscard]] std::string with_cookie(std::string_view header,
                                      std::string_view name,
                                      std::string_view value);

struct CookieAttributes {
    std::string_view path = "/";
    std::string_view domain = "";     // empty: host-only
    std::string_view same_site = "";  // empty: not written
    bool secure = false;
    // Seconds; none: a session cookie.
    std::optional<std::int64_t> max_age = std::nullopt;
};

// The value of a Set-Cookie header, in Plug's order and spelling; HttpOnly
// always. `now_s`: Unix time, for expires.
[[nodiscard]] std::string set_cookie(std::string_view name,
                                     std::string_view value,
                                     const CookieAttributes& attributes,
                                     std::int64_t now_s);

// Plug.Conn.delete_resp_cookie with the attributes it was set with.
[[nodiscard]] std::string clear_cookie(std::string_view name,
                                       const CookieAttributes& attributes);

}  // namespace sigra::phoenix
