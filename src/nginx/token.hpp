// The token that a request brings: its session's, or its remember-me cookie's.
#pragma once

#include "nginx/conf.hpp"
#include "nginx/ngx.hpp"
#include "nginx/visit.hpp"

namespace sigra::nginx {

// False: there is no token to ask for, and the visit's verdict says why.
[[nodiscard]] bool read_token(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit);

// As the rows have it.
[[nodiscard]] std::string_view stored_token(const Visit& visit);

}  // namespace sigra::nginx
