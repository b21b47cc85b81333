// When what the zone holds may be believed, and when what PostgreSQL says may
// be kept.
#pragma once

#include "cache/zone.hpp"
#include "nginx/conf/cache_conf.hpp"
#include "nginx/gate/lookup.hpp"

namespace sigra::nginx {

// An entry that counts now, live or dead: not older than the location's ttl,
// and verified while this worker would have heard of its end. `place`:
// Zone::find()'s.
[[nodiscard]] bool find_trusted(const Cache& cache, const Lookup::Key& key,
                                std::uint32_t& place, ZoneCell& out);

// While PostgreSQL is out of reach: a live entry that was verified not too
// long ago, whose end nobody has heard of or asked for.
[[nodiscard]] bool find_stale(const Cache& cache, const Lookup::Key& key,
                              ZoneCell& out);

// False: revoked since it was sent. `fresh`: it came over a connection that is
// not older than the channel's.
[[nodiscard]] bool settle(const Lookup::Key& key, std::uint64_t sent,
                          const LookupResult& result, bool fresh);

}  // namespace sigra::nginx
