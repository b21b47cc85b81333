// auth_sigra_prune at run time: deletes the rows of sessions that have expired.
#pragma once

#include <memory>

#include "nginx/conf/conf.hpp"
#include "postgres/pool.hpp"
#include "postgres/reactor.hpp"

namespace sigra::nginx {

// Prunes one tokens table. One worker of each node does it, and an advisory
// lock in the database keeps nodes from doing it at the same time.
class Prune {
  public:
    // All outlive this object. `job` is the cycle's.
    Prune(postgres::Reactor& reactor, postgres::Pool& pool,
          const PruneJob& job);
    Prune(const Prune&) = delete;
    Prune& operator=(const Prune&) = delete;

  private:
    void ask();
    void answered(const postgres::Outcome& outcome);
    void rest();

    postgres::Reactor& reactor_;
    postgres::Pool& pool_;
    const PruneJob& job_;
    std::uint64_t deleted_ = 0;  // since the last rest
    std::unique_ptr<postgres::Timer> timer_;
};

}  // namespace sigra::nginx
