#include "nginx/counters.hpp"

#include <algorithm>
#include <csignal>
#include <string_view>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {
namespace {

// Workers of two configurations live side by side during a reload, and a
// large machine has some hundred of each.
constexpr std::size_t slots = 512;

// `text` is written once, under the zone's lock, before `length`.
struct ServerName {
    std::atomic<std::uint32_t> length;
    std::array<char, 124> text;
};

struct Shared {
    std::array<CounterSlot, slots> slot;
    std::array<ServerName, max_servers> servers;
};

// Used without a zone, and where all slots are taken.
CounterSlot process_local;
Shared* shared = nullptr;
ngx_slab_pool_t* shared_pool = nullptr;

void clear_states(CounterSlot& slot) {
    for (auto i = static_cast<std::size_t>(first_state);
         i < static_cast<std::size_t>(Counter::count_); i++) {
        slot.counts[i].store(0, std::memory_order_relaxed);
    }
    for (CounterSlot::Server& server : slot.servers) {
        server.met.store(0, std::memory_order_relaxed);
        for (auto& connections : server.connections) {
            connections.store(0, std::memory_order_relaxed);
        }
    }
}

bool is_named(const ServerName& server, std::string_view name) {
    const std::uint32_t length = server.length.load(std::memory_order_acquire);
    return name == std::string_view(server.text.data(), length);
}

// The server's number. A new server gets one for as long as the zone exists.
std::size_t server_number(std::string_view full_name) {
    const std::string_view name = full_name.substr(0, sizeof(ServerName::text));
    if (shared == nullptr || name.empty()) {
        return 0;
    }
    std::size_t number = 1;
    const auto look = [&] {
        while (number < max_servers - 1 &&
               !is_named(shared->servers[number], name) &&
               shared->servers[number].length.load(std::memory_order_acquire) !=
                   0) {
            number++;
        }
        return number == max_servers - 1 ||
               is_named(shared->servers[number], name);
    };
    if (look()) {
        return number;
    }
    ngx_shmtx_lock(&shared_pool->mutex);
    if (!look()) {
        ServerName& server = shared->servers[number];
        std::copy(name.begin(), name.end(), server.text.begin());
        server.length.store(static_cast<std::uint32_t>(name.size()),
                            std::memory_order_release);
    }
    ngx_shmtx_unlock(&shared_pool->mutex);
    return number;
}

// The memory of a new zone is zero, which is a valid Shared. A zone that an
// older configuration had keeps its counts.
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
    // And what the slab pool needs for itself.
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
    shared_pool = reinterpret_cast<ngx_slab_pool_t*>(conf->counters->shm.addr);
    for (CounterSlot& slot : shared->slot) {
        std::int64_t taken = slot.pid.load(std::memory_order_relaxed);
        // It is free, or its worker died.
        if ((taken == 0 || !is_live(slot)) &&
            slot.pid.compare_exchange_strong(taken, ngx_pid)) {
            clear_states(slot);
            slot.worker.store(ngx_worker, std::memory_order_relaxed);
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

void set_connections(const std::vector<postgres::ConnectionFigure>& figures) {
    std::array<std::array<std::uint32_t, postgres::ConnectionFigure::states>,
               max_servers>
        now{};
    for (const postgres::ConnectionFigure& figure : figures) {
        const std::size_t number = server_number(figure.server);
        now[number][static_cast<std::size_t>(figure.state)]++;
        own_counters->servers[number].met.store(1, std::memory_order_relaxed);
    }
    for (std::size_t i = 0; i < max_servers; i++) {
        for (std::size_t state = 0; state < now[i].size(); state++) {
            own_counters->servers[i].connections[state].store(
                now[i][state], std::memory_order_relaxed);
        }
    }
}

std::string server_at(std::size_t number) {
    if (number == 0) {
        return "unknown";
    }
    if (number == max_servers - 1) {
        return "other";
    }
    const ServerName& server = shared->servers[number];
    return {server.text.data(), server.length.load(std::memory_order_acquire)};
}

std::span<CounterSlot> counter_slots() {
    return shared != nullptr ? std::span<CounterSlot>(shared->slot)
                             : std::span<CounterSlot>();
}

Counter counter_of(Counter timeout, postgres::Status failure) {
    const auto after = [timeout](unsigned n) {
        return static_cast<Counter>(static_cast<unsigned>(timeout) + n);
    };
    switch (failure) {
        case postgres::Status::timeout:
        case postgres::Status::unwanted:
            return timeout;
        case postgres::Status::unavailable:
            return after(1);
        case postgres::Status::overloaded:
            return after(2);
        case postgres::Status::ok:
        case postgres::Status::refused:
            break;
    }
    return after(3);
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
