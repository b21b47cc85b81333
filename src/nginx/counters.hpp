// Counters in shared memory, so that any worker can report those of all
// workers. Each worker writes to a slot of its own: there is no lock, and no
// cache line that two processes write. A slot keeps its counts when its worker
// exits, and the next worker goes on from there, so sums never fall, even over
// reloads and restarts of workers. States, which are not counts, are those of
// live workers only.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nginx/ngx.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

// Upper bounds in milliseconds; what is longer has a bucket of its own.
inline constexpr std::array<unsigned, 10> latency_bounds_ms{
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000};

// Named in endpoints/metric_table.cpp.
enum class Counter : unsigned {
    // Requests that the gate has judged, by $auth_sigra_status.
    request_hit,
    request_miss,
    request_anonymous,
    request_expired,
    request_unknown,
    request_invalid,
    request_stale,
    request_error,
    request_forbidden,
    // Their lookups in a cache.
    cache_hit,
    cache_miss,
    // Lookups in PostgreSQL, by their result.
    lookup_found,
    lookup_absent,
    lookup_timeout,  // and what follows, in the order of counter_of()
    lookup_unreachable,
    lookup_queue_full,
    lookup_error,
    lookup_unwanted,  // never sent: nobody waited any more
    // Logins, by $auth_sigra_login.
    login_ok,
    login_refused,
    login_locked,
    login_second_factor,
    login_fallback,
    login_csrf,
    login_origin,
    login_busy,
    login_malformed,
    login_error,
    logout,
    // Responses with status 503.
    unavailable_timeout,  // and what follows, in the same order
    unavailable_unreachable,
    unavailable_queue_full,
    unavailable_error,
    unavailable_checks,
    // Notifications, by what they revoke.
    revocation_token,
    revocation_user,
    revocation_all,
    channel_lost,
    // Requests that ended with their session.
    closed_revoked,
    closed_expired,
    pruned,  // rows of expired sessions
    connection_opened,
    reconnect,
    failover,   // connections to another server than the one before
    sync_sent,  // each is one round trip of one statement or more
    // From here on states: those of live workers count.
    lookups_waiting,  // and what follows, in the order of postgres::Work
    logins_waiting,
    writes_waiting,
    background_waiting,
    statements_sent,
    checks_running,
    checks_waiting,
    channels_up,
    channels_down,
    count_,
};

inline constexpr Counter first_state = Counter::lookups_waiting;

// Counts of latencies or sizes, by upper bound.
template <std::size_t bounds>
struct Histogram {
    std::array<std::atomic<std::uint64_t>, bounds + 1> buckets;
    std::atomic<std::uint64_t> sum;  // microseconds for latencies
};

// The servers by which connections are counted. More than these are rare, and
// counted as one.
inline constexpr std::size_t max_servers = 32;

struct CounterSlot {
    std::atomic<std::int64_t> pid;      // 0: free
    std::atomic<std::uint64_t> worker;  // its number, from 0
    std::array<std::atomic<std::uint64_t>,
               static_cast<std::size_t>(Counter::count_)>
        counts;
    Histogram<latency_bounds_ms.size()> lookup_latency;
    Histogram<latency_bounds_ms.size()> check_latency;
    Histogram<postgres::batch_bounds.size()> batches;
    // States: open connections by server_number() and state; `met`: the worker
    // has had a connection to that server.
    struct Server {
        std::atomic<std::uint32_t> met;
        std::array<std::atomic<std::uint32_t>,
                   postgres::ConnectionFigure::states>
            connections;
    };
    std::array<Server, max_servers> servers;
};

// The slot that this process writes to. Never null: without a zone, or where
// all slots are taken, it is local to this process.
extern CounterSlot* own_counters;

// There is one writer, so no atomic addition is needed: readers must only not
// see a half-written number.
inline void add(std::atomic<std::uint64_t>& to, std::uint64_t n = 1) {
    to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
inline std::atomic<std::uint64_t>& counter(Counter which) {
    return own_counters->counts[static_cast<std::size_t>(which)];
}
inline void count(Counter which) {
    add(counter(which));
}
inline void set_state(Counter which, std::uint64_t value) {
    counter(which).store(value, std::memory_order_relaxed);
}
inline void add_state(Counter which, int n) {
    add(counter(which), static_cast<std::uint64_t>(n));
}

// The counter for a failed query. `timeout` is the first of four: timeout,
// unreachable, queue full, error.
[[nodiscard]] Counter counter_of(Counter timeout, postgres::Status failure);

void count_latency(Histogram<latency_bounds_ms.size()>& histogram,
                   std::uint64_t microseconds);

// Adds the zone, once for each cycle that has auth_sigra_status. False: it
// could not be added.
[[nodiscard]] bool add_counters_zone(ngx_conf_t* cf);
// In a worker: takes a slot, and leaves it.
void take_counters(ngx_cycle_t* cycle);
void leave_counters() noexcept;

// Sets the states of the worker's connections; `figures` are all of them.
void set_connections(const std::vector<postgres::ConnectionFigure>& figures);
// The name of an entry of CounterSlot::servers; empty where there is none yet.
[[nodiscard]] std::string server_at(std::size_t number);

// Empty without a zone.
[[nodiscard]] std::span<CounterSlot> counter_slots();
// Whether the slot's process is running.
[[nodiscard]] bool is_live(const CounterSlot& slot);

}  // namespace sigra::nginx
