// Variables that a template or a directive uses. Whether one exists is known
// only when the whole configuration was read, and nginx's own message then has
// neither file nor line.
#pragma once

#include <string>
#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// The directive that is being read uses it.
void need_variable(ngx_conf_t* cf, std::string_view name);
// The template of an auth_sigra_login uses it, in this line.
void need_variable(ngx_conf_t* cf, std::string_view name, std::string_view file,
                   ngx_uint_t line);

// After the configuration was read. False: one is missing, and the log says
// which one and where it is used.
[[nodiscard]] bool check_needed_variables(ngx_conf_t* cf);

// Warns of $auth_sigra_attribute_NAME where no attribute has that name. nginx
// knows these variables only by their prefix, so this one would always be
// empty.
void warn_of_unknown_attributes(ngx_conf_t* cf);

}  // namespace sigra::nginx
