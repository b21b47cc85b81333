// Warns of a server that redirects to a login page which no location answers.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct LocationConf;

// Called for each location when it is merged.
void note_location(ngx_conf_t* cf, const LocationConf& conf);

// After the configuration was read.
void warn_of_unreachable_logins(ngx_conf_t* cf);

}  // namespace sigra::nginx
