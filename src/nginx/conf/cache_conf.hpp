// The configuration of the session cache and of the revocation channels.
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

// One auth_sigra_cache directive.
struct CacheSetting {
    Zone* zone = nullptr;  // null: off
    std::int64_t ttl_ms = 60'000;
    std::int64_t stale_ms = 0;
    bool require_listen = true;
};

// One channel of one database. Each worker listens once to each.
struct ChannelConf {
    std::size_t index = 0;  // into CacheConf::channels and the worker's
    const Database* database = nullptr;
    std::string name;
    std::vector<postgres::Layout> layouts;  // their tables need the triggers
    std::vector<Zone*> zones;               // what is revoked is removed there
};

// The cache that answers a location's lookups. Locations with the same settings
// share one.
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
    std::set<const Facts*> facts;  // those that its sessions keep
};

// Pointers, because locations refer to the elements, which live in the
// configuration's pool.
struct CacheConf {
    std::map<std::string, NamedZone> zones;
    std::vector<ChannelConf*> channels;
    std::map<std::pair<const CacheSetting*, const ChannelConf*>, const Cache*>
        caches;
};

char* set_cache(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;
char* set_revocation_channel(ngx_conf_t* cf, ngx_command_t* cmd,
                             void* conf) noexcept;

// Sets the location's cache and channel; its source must be known. NGX_CONF_OK,
// or the error is logged.
[[nodiscard]] char* compile_cache(ngx_conf_t* cf, LocationConf& conf);

// Sets how large the zones' cells are. Called when the facts of all locations
// are known.
void size_zones(ngx_pool_t* pool, CacheConf& conf);

// Called when the whole configuration was read. False: some zone has no size,
// and the error is logged.
[[nodiscard]] bool check_zones(ngx_conf_t* cf, const CacheConf& conf);

}  // namespace sigra::nginx
