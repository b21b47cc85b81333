// The remember-me cookie's payload: Plug.Conn.put_resp_cookie(sign: true).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigra::phoenix {

struct RememberMe {
    enum class State { invalid, expired, valid };
    State state = State::invalid;
    std::string token;  // as the cookie has it: raw or text
};

// `payload`: what the verifier opened; `now_ms`: Unix time. Reads
// {token, signed_at_ms, max_age_s}, {token, signed_at_ms} and
// %{data: token, signed: signed_at_ms}, the last two with 86,400 s.
// Signed in the future is invalid.
[[nodiscard]] RememberMe read_remember_me(std::string_view payload,
                                          std::int64_t now_ms);

[[nodiscard]] std::string write_remember_me(std::string_view token,
                                            std::int64_t now_ms,
                                            std::int64_t max_age_s);

// Plug's salt for a signed cookie of this name.
[[nodiscard]] std::string signed_cookie_salt(std::string_view cookie_name);

}  // namespace sigra::phoenix
