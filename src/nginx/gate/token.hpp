// The token that a request brings: its session's, or its remember-me cookie's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// False: there is no token to ask for, and the visit's verdict says why.
[[nodiscard]] bool read_token(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit);

// The session of the visit's cookie, opened once more; nullopt where there is
// none that is good.
[[nodiscard]] std::optional<phoenix::Session> open_session(const Visit& visit);

// The visit's as its row has it.
[[nodiscard]] std::string_view stored_token(const Visit& visit);
// A raw token as its row has it.
[[nodiscard]] std::string stored_token(const Source& source,
                                       std::string_view token);

// The raw token of the remember-me cookie, whatever the session holds; empty
// where there is none that counts.
[[nodiscard]] std::string remembered_token(const LocationConf& conf,
                                           const Visit& visit);

}  // namespace sigra::nginx
