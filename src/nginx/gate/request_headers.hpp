// What an upstream gets to see: who asks, from the module and from nobody
// else, and the cookies that are its business.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Replaces the request's header list by one without what auth_sigra_forward
// and auth_sigra_hide_cookies take away, with the new session's cookie where
// one is written, and with the identity where the visit has one. May run
// again. `visit` may be null. False when memory is out: then the request must
// not go on.
[[nodiscard]] bool rewrite_request_headers(ngx_http_request_t* r,
                                           const LocationConf& conf,
                                           const Visit* visit);

}  // namespace sigra::nginx
