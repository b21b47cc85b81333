// Named locations (@NAME) that directives lead to. Whether there is one is
// known only when the whole server was read.
#pragma once

#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// `name` starts with "@"; the directive that is being read asks for it.
void need_named_location(ngx_conf_t* cf, std::string_view name);

// After the configuration was read. False: one is missing, and nginx has
// logged which directive asks for it, and where.
[[nodiscard]] bool check_named_locations(ngx_conf_t* cf);

}  // namespace sigra::nginx
