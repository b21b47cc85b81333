#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

ngx_int_t add_variables(ngx_conf_t* cf) noexcept;

}  // namespace sigra::nginx
