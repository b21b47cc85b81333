#include "phoenix/session_cookie.hpp"

#include <utility>

namespace sigra::phoenix {

SessionCookie read_session_cookie(const Sealer& sealer,
                                  std::optional<std::string_view> value) {
    using State = SessionCookie::State;
    if (!value)
        return {};
    auto payload = sealer.open(*value);
    if (!payload)
        return {State::forged, {}, {}};
    auto session = Session::decode(*payload);
    if (!session)
        return {State::not_understood, *std::move(payload), {}};
    return {State::good, *std::move(payload), *std::move(session)};
}

}  // namespace sigra::phoenix
