// Variables that a template's text or a directive names. Whether there is such
// a variable is known only when the whole configuration was read; nginx's own
// message then has neither file nor line.
#pragma once

#include <string>
#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// By a directive's word, where it stands now.
void need_variable(ngx_conf_t* cf, std::string_view name);
// By the template of an auth_sigra_login.
void need_variable(ngx_conf_t* cf, std::string_view name, std::string_view file,
                   ngx_uint_t line);

// After the configuration was read. False: one is missing, and the log says
// which, and where it stands.
[[nodiscard]] bool check_needed_variables(ngx_conf_t* cf);

// An auth_sigra_attribute's variable is known by its prefix: one whose
// attribute stands nowhere would be empty for ever.
void warn_of_unknown_attributes(ngx_conf_t* cf);

}  // namespace sigra::nginx
