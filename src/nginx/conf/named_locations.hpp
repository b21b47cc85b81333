// Named locations (@NAME) that directives refer to. Whether one exists is known
// only when the whole server was read.
#pragma once

#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Notes that the directive which is being read refers to `name`, which starts
// with "@".
void need_named_location(ngx_conf_t* cf, std::string_view name);

// After the configuration was read. False: one is missing, and the log says
// which directive refers to it, and where.
[[nodiscard]] bool check_named_locations(ngx_conf_t* cf);

}  // namespace sigra::nginx
