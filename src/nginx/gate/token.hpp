// The token that a request brings: its session's, or its remember-me cookie's.
#pragma once

#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/session.hpp"
#include "phoenix/session_cookie.hpp"

namespace sigra::nginx {

// False: there is no token to ask for, and the verdict's status says why. Of a
// cookie that the answer is to set already, the new value counts.
[[nodiscard]] bool read_token(const LocationConf& conf, Visit& visit);

// What the browser will have when the answer is there: the session that is to
// be set, or else the one that it sent.
[[nodiscard]] phoenix::SessionCookie open_session(const Visit& visit,
                                                  const Cookies& cookies);
// The same with the cookies that the visit was judged by; an empty one where
// there is none that is good.
[[nodiscard]] phoenix::Session session_of(const Visit& visit);

// The verdict's token as its row has it.
[[nodiscard]] std::string_view stored_token(const Verdict& verdict);
// A raw token as its row has it.
[[nodiscard]] std::string stored_token(const Source& source,
                                       std::string_view token);

// The raw token of the remember-me cookie, whatever the session holds; empty
// where there is none that counts.
[[nodiscard]] std::string remembered_token(const LocationConf& conf,
                                           const Visit& visit);

}  // namespace sigra::nginx
