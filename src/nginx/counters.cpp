#include "nginx/counters.hpp"

#include <csignal>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {
namespace {

// Workers of two configurations live side by side during a reload, and a
// large machine has some hundred of each.
constexpr std::size_t slots = 512;

struct Shared {
    std::array<CounterSlot, slots> slot;
};

// Where there is no zone, and where all slots are taken.
CounterSlot process_local;
Shared* shared = nullptr;

void clear_states(CounterSlot& slot) {
    for (auto i = static_cast<std::size_t>(first_state);
         i < static_cast<std::size_t>(Counter::count_); i++) {
        slot.counts[i].store(0, std::memory_order_relaxed);
    }
}

// The memory of a new zone is zero, which is what a Shared begins as. One that
// an older configuration had keeps its counts.
ngx_int_t init_zone(ngx_shm_zone_t* zone, void* old) noexcept {
    auto* pool = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
    if (old != nullptr) {
        zone->data = old;
        return NGX_OK;
    }
    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }
    pool->data = ngx_slab_calloc(pool, sizeof(Shared));
    zone->data = pool->data;
    return pool->data != nullptr ? NGX_OK : NGX_ERROR;
}

}  // namespace

CounterSlot* own_counters = &process_local;

bool add_counters_zone(ngx_conf_t* cf) {
    if (main_conf(cf).counters != nullptr) {
        return true;
    }
    ngx_str_t name = ngx_string("auth_sigra_status");
    // The slab pool's own needs beside it.
    const std::size_t size = sizeof(Shared) + 16 * ngx_pagesize;
    ngx_shm_zone_t* zone =
        ngx_shared_memory_add(cf, &name, size, &ngx_http_auth_sigra_module);
    if (zone == nullptr) {
        return false;
    }
    zone->init = init_zone;
    main_conf(cf).counters = zone;
    return true;
}

bool is_live(const CounterSlot& slot) {
    const auto pid = slot.pid.load(std::memory_order_relaxed);
    return pid != 0 &&
           (kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH);
}

void take_counters(ngx_cycle_t* cycle) {
    auto* conf = static_cast<MainConf*>(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_auth_sigra_module));
    if (conf == nullptr || conf->counters == nullptr) {
        return;
    }
    shared = static_cast<Shared*>(conf->counters->data);
    for (CounterSlot& slot : shared->slot) {
        std::int64_t taken = slot.pid.load(std::memory_order_relaxed);
        // Left, or a worker died in it.
        if ((taken == 0 || !is_live(slot)) &&
            slot.pid.compare_exchange_strong(taken, ngx_pid)) {
            clear_states(slot);
            own_counters = &slot;
            return;
        }
    }
    ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                  "auth_sigra: more than %uz workers, this one is missing in "
                  "\"auth_sigra_status\"",
                  slots);
}

void leave_counters() noexcept {
    if (own_counters != &process_local) {
        clear_states(*own_counters);
        own_counters->pid.store(0, std::memory_order_release);
        own_counters = &process_local;
    }
}

std::span<CounterSlot> counter_slots() {
    return shared != nullptr ? std::span<CounterSlot>(shared->slot)
                             : std::span<CounterSlot>();
}

void count_latency(Histogram<latency_bounds_ms.size()>& histogram,
                   std::uint64_t microseconds) {
    std::size_t bucket = 0;
    while (bucket < latency_bounds_ms.size() &&
           microseconds > std::uint64_t{1000} * latency_bounds_ms[bucket]) {
        bucket++;
    }
    add(histogram.buckets[bucket]);
    add(histogram.sum, microseconds);
}

}  // namespace sigra::nginx
