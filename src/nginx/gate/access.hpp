// The phase handlers.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Main requests. Runs after every other access handler: a client that
// allow, deny or auth_basic refuses costs no query.
ngx_int_t access_handler(ngx_http_request_t* r) noexcept;

// Subrequests, which have no access phase.
ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept;

// Every request, before the content handler that runs: what an upstream gets,
// whoever let the request in.
ngx_int_t precontent_handler(ngx_http_request_t* r) noexcept;

}  // namespace sigra::nginx
