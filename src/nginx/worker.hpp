// The state of one worker process: the reactor, a pool for each database, the
// lookups under way.
#pragma once

#include <memory>
#include <vector>

#include "cache/session_memo.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/gate/channel.hpp"
#include "nginx/gate/lookup.hpp"
#include "nginx/gate/open_requests.hpp"
#include "nginx/prune.hpp"
#include "nginx/reactor.hpp"

namespace sigra::nginx {

class PasswordChecks;  // in endpoints/

class Worker {
  public:
    Worker(ngx_log_t* log, const MainConf& conf);
    ~Worker();

    // Starts the channels; worker() must already find this object.
    void listen();

    // Null for a database of another cycle: with master_process off a reload
    // brings a new configuration to the old process.
    postgres::Pool* pool(const Database& database) const;
    Lookup& lookup() { return lookup_; }
    PasswordChecks& password_checks() { return *password_checks_; }
    OpenRequests& open_requests() { return open_requests_; }
    cache::SessionMemo& memo() { return memo_; }
    // Null for a channel of another cycle.
    const Channel* channel(const ChannelConf& conf) const {
        return conf.index < channels_.size() &&
                       &channels_[conf.index]->conf() == &conf
                   ? channels_[conf.index].get()
                   : nullptr;
    }

    // Revokes what this worker has deleted itself, after the commit and without
    // waiting for the notification.
    void revoke_token(const phoenix::Sha256& token_hash);
    void revoke_user(std::string_view id);
    // After a log-out that did not reach PostgreSQL: the row is still there,
    // but nothing cached of it counts any more.
    void bar(const phoenix::Sha256& token_hash);

  private:
    // For auth_sigra_status: takes over the pools' own counters, once a second.
    void observe();
    [[nodiscard]] std::vector<postgres::ConnectionFigure> connections() const;

    // Of this worker's cycle: with master_process off it outlives a reload.
    std::vector<Zone*> zones_;
    NgxReactor reactor_;
    cache::SessionMemo memo_;
    OpenRequests open_requests_;
    Lookup lookup_;
    std::unique_ptr<PasswordChecks> password_checks_;
    // Destroyed after the pools, which call back into it.
    std::vector<std::unique_ptr<Prune>> prunes_;
    // Destroyed before lookup_: a pool's queries call back into it.
    std::vector<std::pair<const Database*, std::unique_ptr<postgres::Pool>>>
        pools_;
    // Destroyed before the pools: what a channel hears goes to them and to the
    // lookups.
    std::vector<std::unique_ptr<Channel>> channels_;
    std::unique_ptr<postgres::Timer> observing_;  // null: nobody asks for it
    postgres::Pool::Counters observed_;           // of all pools, the last time

    static std::unique_ptr<Worker> own_;  // this process's
    friend Worker* worker();
    friend ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept;
    friend void exit_worker(ngx_cycle_t* cycle) noexcept;
};

// Null in a process that serves no requests, or before its start.
inline Worker* worker() {
    return Worker::own_.get();
}

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept;
void exit_worker(ngx_cycle_t* cycle) noexcept;

}  // namespace sigra::nginx
