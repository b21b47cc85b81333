// auth_sigra_reissue_age: a request that passes gets a new token for its
// session once the old token has reached that age.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

enum class Reissue {
    done,  // or not due, or it failed: the request goes on
    wait,  // the phases run again
};

// For a request that passes. The new token goes into its session cookie.
[[nodiscard, gnu::cold]] Reissue reissue(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

}  // namespace sigra::nginx
