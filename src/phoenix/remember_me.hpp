// The payload of the remember-me cookie, as Plug.Conn.put_resp_cookie with
// `sign: true` writes it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigra::phoenix {

struct RememberMe {
    enum class State { invalid, expired, valid };
    State state = State::invalid;
    std::string token;  // as in the cookie; see TokenForm
};

// `payload`: from the verifier; `now_ms`: Unix time in milliseconds. Reads
// {token, signed_at_ms, max_age_s}, {token, signed_at_ms} and
// %{data: token, signed: signed_at_ms}; the last two are valid for 86,400 s. A
// cookie that was signed in the future is invalid.
[[nodiscard]] RememberMe read_remember_me(std::string_view payload,
                                          std::int64_t now_ms);

// Writes {token, now_ms, max_age_s}.
[[nodiscard]] std::string write_remember_me(std::string_view token,
                                            std::int64_t now_ms,
                                            std::int64_t max_age_s);

// Plug's salt for a signed cookie of this name.
[[nodiscard]] std::string signed_cookie_salt(std::string_view cookie_name);

}  // namespace sigra::phoenix
