#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

std::unique_ptr<Worker> the_worker;  // this process's own

const MainConf* conf_of(ngx_cycle_t* cycle) {
    return static_cast<const MainConf*>(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_auth_sigra_module));
}

}  // namespace

Worker::Worker(ngx_log_t* log, const MainConf& conf)
    : reactor_(log, conf.resolver_threads), password_checks_(log) {
    for (const auto& database : conf.databases) {
        auto pool =
            std::make_unique<postgres::Pool>(reactor_, database->options);
        for (const postgres::Layout& layout : database->layouts) {
            pool->add_layout(layout);
        }
        pools_.emplace_back(database.get(), std::move(pool));
    }
}

postgres::Pool* Worker::pool(const Database& database) const {
    if (database.index >= pools_.size() ||
        pools_[database.index].first != &database) {
        return nullptr;
    }
    return pools_[database.index].second.get();
}

Worker* worker() {
    return the_worker.get();
}

ngx_int_t init_worker(ngx_cycle_t* cycle) noexcept {
    if (ngx_process != NGX_PROCESS_WORKER &&
        ngx_process != NGX_PROCESS_SINGLE) {
        return NGX_OK;
    }
    return guarded(
        cycle->log, static_cast<ngx_int_t>(NGX_ERROR), [&]() -> ngx_int_t {
            const MainConf* conf = conf_of(cycle);
            if (conf != nullptr && !conf->databases.empty()) {
                the_worker = std::make_unique<Worker>(cycle->log, *conf);
            }
            return NGX_OK;
        });
}

void exit_worker(ngx_cycle_t* cycle) noexcept {
    guarded(cycle->log, [] { the_worker.reset(); });
}

}  // namespace sigra::nginx
