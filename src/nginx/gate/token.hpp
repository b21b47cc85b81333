// The token of a request: the session's, the remember-me cookie's or an API
// token.
#pragma once

#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/session.hpp"
#include "phoenix/session_cookie.hpp"

namespace sigra::nginx {

// Reads the token into the verdict. A cookie that the response sets already
// counts with its new value. False: there is none, and the verdict's status
// says why.
[[nodiscard]] bool read_token(const LocationConf& conf, Visit& visit);

// The session that the browser will have after this response: the one that it
// sets, or else the one that the client sent.
[[nodiscard]] phoenix::SessionCookie open_session(const Visit& visit,
                                                  const Cookies& cookies);
// The same with the cookie settings that the visit was judged by. Empty where
// there is no valid session, or where an API token counts.
[[nodiscard]] phoenix::Session session_of(const Visit& visit);

// The verdict's token as its row stores it, raw or hashed.
[[nodiscard]] std::string_view stored_token(const Verdict& verdict);
// A raw token as its row stores it.
[[nodiscard]] std::string stored_token(const Source& source,
                                       std::string_view token);

// The raw token of the remember-me cookie, whatever the session holds; empty
// where there is none or it is not valid.
[[nodiscard]] std::string remembered_token(const LocationConf& conf,
                                           const Visit& visit);

}  // namespace sigra::nginx
