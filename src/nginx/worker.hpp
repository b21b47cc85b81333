// What one worker process has: the reactor, a pool for each database, the
// lookups under way.
#pragma once

#include <memory>
#include <vector>

#include "nginx/conf.hpp"
#include "nginx/lookup.hpp"
#include "nginx/password_checks.hpp"
#include "nginx/reactor.hpp"

namespace sigra::nginx {

class Worker {
  public:
    Worker(ngx_log_t* log, const MainConf& conf);

    // Null for a database of another cycle: with master_process off a reload
    // brings a new configuration to the old process.
    postgres::Pool* pool(const Database& database) const;
    Lookup& lookup() { return lookup_; }
    PasswordChecks& password_checks() { return password_checks_; }

  private:
    NgxReactor reactor_;
    Lookup lookup_;
    PasswordChecks password_checks_;
    // Destroyed first: a pool's queries call back into lookup_.
    std::vector<std::pair<const Database*, std::unique_ptr<postgres::Pool>>>
        pools_;
};

// Null in a process that serves no requests, or before its start.
Worker* worker();

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept;
void exit_worker(ngx_cycle_t* cycle) noexcept;

}  // namespace sigra::nginx
