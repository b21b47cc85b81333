// The phase handlers.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Main requests. Runs after every other access handler: a client that
// allow, deny or auth_basic refuses costs no query.
ngx_int_t access_handler(ngx_http_request_t* r) noexcept;

// Every request: the headers that an upstream may not see go here, for
// `satisfy any` can skip the access phase. In a subrequest, which has no
// access phase, the gate as well.
ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept;

}  // namespace sigra::nginx
