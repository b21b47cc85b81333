// Variables that a template's text names. Whether there is such a variable is
// known only when the whole configuration was read; nginx's own message then
// has neither file nor line.
#pragma once

#include <string>
#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// In lower case, as nginx keeps names.
void need_variable(ngx_conf_t* cf, std::string_view name, std::string_view file,
                   ngx_uint_t line);

// After the configuration was read. False: one is missing, and the log says
// which, and where it stands.
[[nodiscard]] bool check_template_variables(ngx_conf_t* cf);

}  // namespace sigra::nginx
