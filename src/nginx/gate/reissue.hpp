// auth_sigra_reissue_age: a session that grows old gets a new token on the way
// through a protected location.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

enum class Reissue {
    done,  // or nothing to do, or no luck: the old token is good for now
    wait,  // the phases run again
};

// Of a visit that passes. The new token is in the visit's session cookie.
[[nodiscard, gnu::cold]] Reissue reissue(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

}  // namespace sigra::nginx
