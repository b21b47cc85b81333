// The header filter: what the module adds to answers that others made.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

void install_header_filter() noexcept;

}  // namespace sigra::nginx
