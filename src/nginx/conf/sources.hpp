// What locations with the same settings share: the sources, by database and
// layout, and the keys of the cookies.
#pragma once

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

// The layout of auth_sigra_schema, with what other directives add to it.
[[nodiscard]] postgres::Layout layout_of(const LocationConf& conf);
// Null: out of memory.
[[nodiscard]] Source* make_source(ngx_conf_t* cf, const LocationConf& conf,
                                  const postgres::Layout& layout);
[[nodiscard]] Cookies* make_cookies(ngx_conf_t* cf, const LocationConf& conf);

// Puts the facts of all locations into layouts, sources and zones. Called when
// all locations are merged.
void share_facts(ngx_conf_t* cf);

}  // namespace sigra::nginx
