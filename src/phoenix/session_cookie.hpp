// Reads the session cookie.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "phoenix/message.hpp"
#include "phoenix/session.hpp"

namespace sigra::phoenix {

struct SessionCookie {
    enum class State {
        absent,          // there is no such cookie
        forged,          // not signed or encrypted with our keys; it may be
                         // replaced
        not_understood,  // authentic, but its term cannot be read: it is an
                         // application's session and must not be replaced
        good,
    };
    State state = State::absent;
    std::string payload;  // only for the last two states
    Session session;      // empty unless the state is `good`
};

// `value`: the value of the cookie; nullopt if there is none.
[[nodiscard]] SessionCookie read_session_cookie(
    const Sealer& sealer, std::optional<std::string_view> value);

}  // namespace sigra::phoenix
