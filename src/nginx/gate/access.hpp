// The module's phase handlers. An exception inside one becomes a 500.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Access phase, main requests. Runs after all other access handlers, so that a
// client that allow, deny or auth_basic refuses costs no query.
ngx_int_t access_handler(ngx_http_request_t* r) noexcept;

// Preaccess phase, subrequests: nginx does not run the access phase for them.
ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept;

// Precontent phase, every request. Builds the request headers that an upstream
// gets. Not done in the access phase, because `satisfy any` may skip our
// handler there.
ngx_int_t precontent_handler(ngx_http_request_t* r) noexcept;

}  // namespace sigra::nginx
