// The request headers that an upstream gets: the identity, which only the
// module can set, and the cookies.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/verdict.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Builds the request's header list anew for each location, before its content
// handler runs, from what the client sent: nothing that another location made
// of it is left. Removes what auth_sigra_forward and auth_sigra_hide_cookies
// take away, gives the cookies that the response will set their new values, and
// adds the identity if this location's gate has found one. False when memory is
// out: then the request must not go on.
[[nodiscard]] bool prepare_upstream_headers(ngx_http_request_t* r,
                                            const LocationConf& conf);

// At start-up: marks the variables of these headers and of cookies as not
// cacheable. nginx evaluates such a variable once per request and shares the
// value with subrequests, so it could show the list of another location, or
// what the client sent.
[[nodiscard]] ngx_int_t let_headers_be_read_anew(ngx_cycle_t* cycle) noexcept;

// Adds the same identity and attributes to the response. False when memory is
// out.
[[nodiscard]] bool add_identity_to_answer(ngx_http_request_t* r,
                                          const LocationConf& conf,
                                          const LookedUp& found);

}  // namespace sigra::nginx
