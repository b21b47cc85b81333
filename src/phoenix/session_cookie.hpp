// What a session cookie comes to.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "phoenix/message.hpp"
#include "phoenix/session.hpp"

namespace sigra::phoenix {

struct SessionCookie {
    enum class State {
        absent,          // no cookie of the name
        forged,          // of no form or key of ours: it may be replaced
        not_understood,  // its seal holds, its term says nothing to this
                         // reader: somebody's session, not to be replaced
        good,
    };
    State state = State::absent;
    std::string payload;  // as sealed; of the last two
    Session session;      // of a good one, else empty
};

// `value`: the cookie's; nullopt: there is none.
[[nodiscard]] SessionCookie read_session_cookie(
    const Sealer& sealer, std::optional<std::string_view> value);

}  // namespace sigra::phoenix
