#include "nginx/worker.hpp"

#include "nginx/counters.hpp"
#include "nginx/endpoints/password_checks.hpp"

namespace sigra::nginx {
namespace {

const MainConf* conf_of(ngx_cycle_t* cycle) {
    return static_cast<const MainConf*>(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_auth_sigra_module));
}

}  // namespace

std::unique_ptr<Worker> Worker::own_;

Worker::Worker(ngx_log_t* log, const MainConf& conf)
    : reactor_(log, conf.default_threads),
      open_requests_(*this, reactor_),
      password_checks_(std::make_unique<PasswordChecks>(log)) {
    for (const auto& database : conf.databases) {
        auto pool =
            std::make_unique<postgres::Pool>(reactor_, database->options);
        for (const postgres::Layout& layout : database->layouts) {
            pool->add_layout(layout);
        }
        if (conf.takes_over) {
            pool->warm_up();
        }
        pools_.emplace_back(database.get(), std::move(pool));
    }
    for (const auto& [table, job] : conf.prune_jobs) {
        postgres::Pool* pool = this->pool(*job.source->database);
        if (ngx_worker == 0 && job.setting.interval_ms != 0 && pool) {
            prunes_.push_back(std::make_unique<Prune>(reactor_, *pool, job));
        }
    }
    for (const auto& [name, zone] : conf.cache.zones) {
        zones_.push_back(zone.zone);
    }
    for (const ChannelConf* channel : conf.cache.channels) {
        channels_.push_back(
            std::make_unique<Channel>(*this, reactor_, *channel));
    }
    if (conf.counters != nullptr) {
        observing_ = reactor_.timer([this] { observe(); },
                                    /*keeps_alive=*/false);
        observing_->start(postgres::Milliseconds(1000));
    }
}

Worker::~Worker() = default;

std::vector<postgres::ConnectionFigure> Worker::connections() const {
    std::vector<postgres::ConnectionFigure> all;
    for (const auto& [database, pool] : pools_) {
        for (postgres::ConnectionFigure& figure : pool->connections()) {
            all.push_back(std::move(figure));
        }
    }
    for (const auto& channel : channels_) {
        if (auto figure = channel->connection()) {
            all.push_back(*std::move(figure));
        }
    }
    return all;
}

void Worker::observe() {
    postgres::Pool::Counters now;
    for (const auto& [database, pool] : pools_) {
        const postgres::Pool::Counters counters = pool->counters();
        for (std::size_t i = 0; i < counters.waiting_by_work.size(); i++) {
            now.waiting_by_work[i] += counters.waiting_by_work[i];
        }
        for (std::size_t i = 0; i < counters.batches.size(); i++) {
            now.batches[i] += counters.batches[i];
        }
        now.batched += counters.batched;
        now.failovers += counters.failovers;
        now.reconnects += counters.reconnects;
        now.inflight += counters.inflight;
        now.connects += counters.connects;
        now.syncs += counters.syncs;
    }
    set_connections(connections());
    for (std::size_t i = 0; i < now.waiting_by_work.size(); i++) {
        set_state(static_cast<Counter>(
                      static_cast<std::size_t>(Counter::lookups_waiting) + i),
                  now.waiting_by_work[i]);
    }
    set_state(Counter::statements_sent, now.inflight);
    add(counter(Counter::connection_opened), now.connects - observed_.connects);
    add(counter(Counter::sync_sent), now.syncs - observed_.syncs);
    add(counter(Counter::failover), now.failovers - observed_.failovers);
    add(counter(Counter::reconnect), now.reconnects - observed_.reconnects);
    for (std::size_t i = 0; i < now.batches.size(); i++) {
        add(own_counters->batches.buckets[i],
            now.batches[i] - observed_.batches[i]);
    }
    add(own_counters->batches.sum, now.batched - observed_.batched);
    observed_ = now;
    observing_->start(postgres::Milliseconds(1000));
}

void Worker::listen() {
    for (const auto& channel : channels_) {
        channel->start();
    }
}

postgres::Pool* Worker::pool(const Database& database) const {
    if (database.index >= pools_.size() ||
        pools_[database.index].first != &database) {
        return nullptr;
    }
    return pools_[database.index].second.get();
}

void Worker::revoke_token(const phoenix::Sha256& token_hash) {
    const std::string_view hash(token_hash.data(), token_hash.size());
    for (Zone* zone : zones_) {
        zone->revoke_token(hash);
    }
    lookup_.marks().revoked_token(hash);
    open_requests_.revoked_token(hash);
}

void Worker::revoke_user(std::string_view id) {
    for (Zone* zone : zones_) {
        zone->revoke_user(id);
    }
    lookup_.marks().revoked_user(id);
    open_requests_.revoked_user(id);
}

void Worker::bar(const phoenix::Sha256& token_hash) {
    for (Zone* zone : zones_) {
        zone->bar(token_hash);
    }
}

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept {
    if (ngx_process != NGX_PROCESS_WORKER &&
        ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }
    return guarded(
        cycle->log, static_cast<ngx_int_t>(NGX_ERROR), [&]() -> ngx_int_t {
            take_counters(cycle);
            const MainConf* conf = conf_of(cycle);
            if (conf != nullptr && !conf->databases.empty()) {
                Worker::own_ = std::make_unique<Worker>(cycle->log, *conf);
                Worker::own_->listen();
            }
            return NGX_OK;
        });
}

void exit_worker(ngx_cycle_t* cycle) noexcept {
    guarded(cycle->log, [] { Worker::own_.reset(); });
    leave_counters();
}

}  // namespace sigra::nginx
