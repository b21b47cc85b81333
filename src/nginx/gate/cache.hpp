// When what the zone holds may be believed, and when what PostgreSQL says may
// be kept.
#pragma once

#include "cache/zone.hpp"
#include "nginx/conf/cache_conf.hpp"
#include "nginx/gate/lookup.hpp"

namespace sigra::nginx {

// The monotonic clock as this turn of the loop has it, the same for all
// workers, in milliseconds.
[[nodiscard]] inline std::int64_t monotonic_ms() {
    return static_cast<std::int64_t>(ngx_current_msec);
}

// An entry that counts now, live or dead: not older than the location's ttl,
// and verified while this worker would have heard of its end. `place`:
// Zone::find()'s, as is `facts`: null where the source has none.
[[nodiscard]] bool find_trusted(const Cache& cache, const Lookup::Key& key,
                                std::uint32_t& place, ZoneEntry& out,
                                cache::ZoneFacts* facts);

// While PostgreSQL is out of reach: a live entry that was verified not too
// long ago, whose end nobody has heard of or asked for.
[[nodiscard]] bool find_stale(const Cache& cache, const Lookup::Key& key,
                              ZoneEntry& out, cache::ZoneFacts* facts);

// False: revoked since it was sent. `fresh`: it came over a connection that is
// not older than the channel's.
[[nodiscard]] bool settle(const Lookup::Key& key, std::uint64_t sent,
                          const LookupResult& result, bool fresh);

}  // namespace sigra::nginx
