// The header filter: adds cookies, Cache-Control, Vary and WWW-Authenticate to
// responses, whoever made them.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

void install_header_filter() noexcept;

}  // namespace sigra::nginx
