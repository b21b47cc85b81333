// Decides when a cached session may be used, and when an answer of PostgreSQL
// may be cached.
#pragma once

#include "cache/zone.hpp"
#include "nginx/conf/cache_conf.hpp"
#include "nginx/gate/lookup.hpp"

namespace sigra::nginx {

// The monotonic clock in milliseconds, as of this turn of the event loop. It is
// the same for all workers.
[[nodiscard]] inline std::int64_t monotonic_ms() {
    return static_cast<std::int64_t>(ngx_current_msec);
}

// Finds an entry, live or dead, that may be used now: not older than the
// location's ttl, and verified since this worker has been hearing of
// revocations (with require_listen=on). `place` and `facts` are those of
// Zone::find(); `facts` is null where the source has none.
[[nodiscard]] bool find_trusted(const Cache& cache, const Lookup::Key& key,
                                std::uint32_t& place, ZoneEntry& out,
                                cache::ZoneFacts* facts);

// The same while PostgreSQL is out of reach: a live entry that was verified no
// longer than stale= ago, and whose token is not barred by a log-out that did
// not reach PostgreSQL. Revoked entries are no longer in the zone.
[[nodiscard]] bool find_stale(const Cache& cache, const Lookup::Key& key,
                              ZoneEntry& out, cache::ZoneFacts* facts);

// Caches the answer to a lookup where that is allowed. `sent` is the zone's
// seq() when the lookup was sent. `fresh`: it came over a connection that is
// not older than the channel's. False: the session was revoked after the lookup
// was sent, so the answer must not be used.
[[nodiscard]] bool settle(const Lookup::Key& key, std::uint64_t sent,
                          const LookupResult& result, bool fresh);

}  // namespace sigra::nginx
