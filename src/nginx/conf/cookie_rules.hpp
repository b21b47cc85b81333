// What a browser would refuse of a cookie, said at start-up.
#pragma once

#include <string>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

// Of a merged location's two cookies; empty where all is well.
[[nodiscard]] std::string cookie_error(const LocationConf& conf);

}  // namespace sigra::nginx
