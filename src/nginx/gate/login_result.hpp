// The result of a POST to the login, for the log and the counters.
#pragma once

#include <string_view>

namespace sigra::nginx {

// $auth_sigra_login
enum class LoginResult : unsigned char {
    none,  // the request is no login
    ok,
    refused,
    locked,
    second_factor,
    fallback,
    csrf,
    origin,
    busy,
    malformed,
    error,
};

[[nodiscard]] inline std::string_view name(LoginResult result) {
    switch (result) {
        case LoginResult::none:
            return "";
        case LoginResult::ok:
            return "ok";
        case LoginResult::refused:
            return "refused";
        case LoginResult::locked:
            return "locked";
        case LoginResult::second_factor:
            return "second_factor";
        case LoginResult::fallback:
            return "fallback";
        case LoginResult::csrf:
            return "csrf";
        case LoginResult::origin:
            return "origin";
        case LoginResult::busy:
            return "busy";
        case LoginResult::malformed:
            return "malformed";
        case LoginResult::error:
            return "error";
    }
    return "";
}

}  // namespace sigra::nginx
