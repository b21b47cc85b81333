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
struct Source;
struct LocationConf;

struct PruneSetting {
    std::int64_t interval_ms = 0;  // 0: off
    std::int64_t batch = 1000;     // rows a statement
};

// One for each tokens table of a database. What is alive by the rules of some
// location stays: the lifetimes are the longest of all that look at the table.
struct PruneJob {
    const Source* source = nullptr;
    PruneSetting setting;  // off: nobody asks for it
    std::int64_t standard_s = 0;
    std::int64_t remember_me_s = 0;
};

using PruneJobs =
    std::map<std::tuple<const Database*, postgres::LayoutKind, std::string>,
             PruneJob>;

// Takes a location that looks at sessions into account.
void add_to_prune(ngx_conf_t* cf, const LocationConf& conf);

char* set_prune(ngx_conf_t* cf, ngx_command_t* cmd, void* conf) noexcept;

}  // namespace sigra::nginx
