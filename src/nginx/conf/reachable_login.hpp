// Warns of a server that sends visitors to a login page which nobody answers.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct LocationConf;

// At merge, for each location.
void note_location(ngx_conf_t* cf, const LocationConf& conf);

// After the configuration was read.
void warn_of_unreachable_logins(ngx_conf_t* cf);

}  // namespace sigra::nginx
