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

// At start-up. A variable that shows a header is worked out once a request, and
// shared by its subrequests: it would tell of the list of another location, or
// of what the client sent. Those of the headers above are read each time.
[[nodiscard]] ngx_int_t let_headers_be_read_anew(ngx_cycle_t* cycle) noexcept;

// The same identity and attributes for whoever has asked, in the answer. False
// when memory is out.
[[nodiscard]] bool add_identity_to_answer(ngx_http_request_t* r,
                                          const LocationConf& conf,
                                          const LookedUp& found);

}  // namespace sigra::nginx
