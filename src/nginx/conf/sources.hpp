// What locations share that ask the same: the source of a verdict, by database
// and layout, and the keys of the cookies.
#pragma once

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

// The schema with what other directives say of it.
[[nodiscard]] postgres::Layout layout_of(const LocationConf& conf);
// Null: out of memory.
[[nodiscard]] Source* make_source(ngx_conf_t* cf, const LocationConf& conf,
                                  const postgres::Layout& layout);
[[nodiscard]] Cookies* make_cookies(ngx_conf_t* cf, const LocationConf& conf);

// Once every location has said what it asks: the layouts, the sources and the
// zones have it.
void share_facts(ngx_conf_t* cf);

}  // namespace sigra::nginx
