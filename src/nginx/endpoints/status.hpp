// auth_sigra_status: the counters of all workers, as JSON or as Prometheus'
// text.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

char* set_status(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

}  // namespace sigra::nginx
