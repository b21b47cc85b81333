// auth_sigra_prune: which tables are cleared of what has expired, and when.
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
    std::int64_t batch = 1000;     // rows a statement
};

// One for each tokens table of a database. What is alive by the rules of some
// location stays: the lifetimes are the longest of all that look at a table of
// that name. It may be named with its schema and without, by two layouts, or
// over two conninfos, and too long a life does no harm.
struct PruneJob {
    const Source* source = nullptr;
    PruneSetting setting;            // off: nobody asks for it
    const Lifetimes* ttl = nullptr;  // in MainConf::longest_lives
};

using PruneJobs =
    std::map<std::tuple<const Database*, postgres::LayoutKind, std::string>,
             PruneJob>;

// Takes a location that looks at sessions into account.
void add_to_prune(ngx_conf_t* cf, const LocationConf& conf);

char* set_prune(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

}  // namespace sigra::nginx
