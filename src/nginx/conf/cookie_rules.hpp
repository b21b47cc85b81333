// Finds at start-up what makes browsers reject a cookie.
#pragma once

#include <string>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

// The error in a merged location's cookies; empty: there is none.
[[nodiscard]] std::string cookie_error(const LocationConf& conf);

}  // namespace sigra::nginx
