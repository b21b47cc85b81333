// Does a request to an endpoint come from where it may.
#pragma once

#include "nginx/ngx.hpp"
#include "phoenix/origin.hpp"

namespace sigra::nginx {

// With the location's auth_sigra_trusted_origins. Asked before the body is
// read.
[[nodiscard]] phoenix::Provenance provenance_of(ngx_http_request_t* r);

// The same without those: the browser shows that it is the site's own, and so
// has held no cookie back.
[[nodiscard]] bool is_same_origin(ngx_http_request_t* r);

// Sent before the TLS handshake was over, here or at a proxy in front, and so
// perhaps sent again by somebody else: 425.
[[nodiscard]] bool is_early_data(ngx_http_request_t* r);

}  // namespace sigra::nginx
