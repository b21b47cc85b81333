// Reads the Cookie header and writes Set-Cookie, as Plug.Conn.Cookies does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// The value of the first pair named `name`, compared byte for byte; nullopt if
// there is none. The header is read as Plug reads it: quotes have no meaning.
[[nodiscard]] std::optional<std::string_view> find_cookie(
    std::string_view header, std::string_view name);

// The same, but does not check whether Plug would ignore the pair because of
// its value. For callers that compare the value with one that was accepted
// before. `name` must not be empty or contain white space.
[[nodiscard]] std::optional<std::string_view> first_cookie(
    std::string_view header, std::string_view name);

// The header without all pairs named one of `names`; the others keep their
// bytes. Empty if none remains. Names are compared without surrounding white
// space and case, because an upstream may read them so.
[[nodiscard]] std::string without_cookies(
    std::string_view header, std::span<const std::string_view> names);

// The header with `name` set to `value`: all pairs of that name are removed,
// and the new one is put first.
[[nodiscard]] std::string with_cookie(std::string_view header,
                                      std::string_view name,
                                      std::string_view value);

struct CookieAttributes {
    std::string_view path = "/";
    std::string_view domain = "";     // empty: host-only
    std::string_view same_site = "";  // empty: not written
    bool secure = false;
    // In seconds; nullopt: a cookie for the browser session.
    std::optional<std::int64_t> max_age = std::nullopt;
};

// The value of a Set-Cookie header, in Plug's order and spelling, always with
// HttpOnly. `now_s`: Unix time in seconds, for expires.
[[nodiscard]] std::string set_cookie(std::string_view name,
                                     std::string_view value,
                                     const CookieAttributes& attributes,
                                     std::int64_t now_s);

// The same to delete a cookie that was set with these attributes:
// Plug.Conn.delete_resp_cookie.
[[nodiscard]] std::string clear_cookie(std::string_view name,
                                       const CookieAttributes& attributes);

}  // namespace sigra::phoenix
