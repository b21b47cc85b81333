// What an upstream gets to see: who asks, from the module and from nobody
// else, and the cookies that are its business.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/verdict.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Once a location, before its content handler runs: the header list, without
// what auth_sigra_forward and auth_sigra_hide_cookies take away, with the
// cookies that the answer will set, and with the identity where this location's
// gate has found one. Made of what the client sent: nothing that another
// location made of it is left. False when memory is out: then the request must
// not go on.
[[nodiscard]] bool prepare_upstream_headers(ngx_http_request_t* r,
                                            const LocationConf& conf);

// The same identity and attributes for whoever has asked, in the answer. False
// when memory is out.
[[nodiscard]] bool add_identity_to_answer(ngx_http_request_t* r,
                                          const LocationConf& conf,
                                          const LookedUp& found);

}  // namespace sigra::nginx
