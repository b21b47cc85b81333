// What is said of the session cache and of the channel that revokes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cache/zone.hpp"
#include "nginx/ngx.hpp"
#include "postgres/layout.hpp"

namespace sigra::nginx {

using cache::no_cell;
using cache::no_time;
using cache::Zone;
using cache::ZoneEntry;

struct Database;
struct Facts;
struct LocationConf;

// As auth_sigra_cache says it.
struct CacheSetting {
    Zone* zone = nullptr;  // null: off
    std::int64_t ttl_ms = 60'000;
    std::int64_t stale_ms = 0;
    bool require_listen = true;
};

// One channel of one database. Each worker listens once to each.
struct ChannelConf {
    std::size_t index = 0;  // into CacheConf::channels and a worker's
    const Database* database = nullptr;
    std::string name;
    std::vector<postgres::Layout> layouts;  // whose tables have to notify
    std::vector<Zone*> zones;               // which of them it empties
};

// What a location's lookups are answered from. One of each for all locations
// that say the same.
struct Cache {
    Zone* zone;
    std::int64_t ttl_ms;
    std::int64_t stale_ms;
    bool require_listen;
    const ChannelConf* channel;  // null: nobody listens
};

struct NamedZone {
    ngx_shm_zone_t* shm;
    Zone* zone;
    std::set<const Facts*> facts;  // what its sessions are asked
};

// Pointers, for locations keep them; what they name is the pool's.
struct CacheConf {
    std::map<std::string, NamedZone> zones;
    std::vector<ChannelConf*> channels;
    std::map<std::pair<const CacheSetting*, const ChannelConf*>, const Cache*>
        caches;
};

char* set_cache(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_revocation_channel(ngx_conf_t* cf, ngx_command_t* cmd,
                             void* conf) noexcept;

// The location's cache and channel, once its source is known. NGX_CONF_OK, or
// the error is logged.
[[nodiscard]] char* compile_cache(ngx_conf_t* cf, LocationConf& conf);

// Once every location's facts are known: how large the zones' cells are.
void size_zones(ngx_pool_t* pool, CacheConf& conf);

// Once everything was read. False, and logged: a zone has no size anywhere.
[[nodiscard]] bool check_zones(ngx_conf_t* cf, const CacheConf& conf);

}  // namespace sigra::nginx
