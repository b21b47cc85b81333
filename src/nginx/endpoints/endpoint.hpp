// The content handler of all endpoints: login, log-out, renewal, session and
// sessions.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

ngx_int_t endpoint_handler(ngx_http_request_t* r) noexcept;

}  // namespace sigra::nginx
