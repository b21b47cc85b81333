// Checks whether a request to an endpoint comes from an allowed origin.
#pragma once

#include "nginx/ngx.hpp"
#include "phoenix/origin.hpp"

namespace sigra::nginx {

// Uses the location's auth_sigra_trusted_origins. Called before the body is
// read.
[[nodiscard]] phoenix::Provenance provenance_of(ngx_http_request_t* r);

// The same without those: the browser's headers show that the page is of the
// same origin, so no cookie was withheld.
[[nodiscard]] bool is_same_origin(ngx_http_request_t* r);

// The request was sent before the TLS handshake was complete, here or at a
// proxy in front, so somebody else may replay it: 425.
[[nodiscard]] bool is_early_data(ngx_http_request_t* r);

}  // namespace sigra::nginx
