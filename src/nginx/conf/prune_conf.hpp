// auth_sigra_prune: from which tables expired rows are deleted, and when.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>

#include "nginx/ngx.hpp"
#include "postgres/layout.hpp"

namespace sigra::nginx {

struct Database;
struct Lifetimes;
struct Source;
struct LocationConf;

struct PruneSetting {
    std::int64_t interval_ms = 0;  // 0: off
    std::int64_t batch = 1000;     // rows per statement
};

// One for each tokens table of a database. A row that is valid in some location
// must stay, so the lifetimes are the longest in all locations that use a table
// of that name. Its schema is not compared: two layouts or two conninfos may
// name the same table with and without it, and a lifetime that is too long does
// no harm.
struct PruneJob {
    const Source* source = nullptr;
    PruneSetting setting;            // off: no location wants it
    const Lifetimes* ttl = nullptr;  // in MainConf::longest_lives
};

using PruneJobs =
    std::map<std::tuple<const Database*, postgres::LayoutKind, std::string>,
             PruneJob>;

// Takes a location that looks at sessions into account.
void add_to_prune(ngx_conf_t* cf, const LocationConf& conf);

char* set_prune(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

}  // namespace sigra::nginx
