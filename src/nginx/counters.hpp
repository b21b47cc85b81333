// What each worker counts, in shared memory, so that any worker can tell of
// all of them. A worker writes to a slot of its own: no lock and no cache line
// that two processes write. A slot that a worker leaves keeps what it has
// counted, and the next worker goes on from there: the sums never fall, also
// over reloads and restarts of workers. What is a state and no count is that
// of live workers alone.
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

// Bounds in milliseconds; what is longer has a bucket of its own.
inline constexpr std::array<unsigned, 10> latency_bounds_ms{
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000};

// Named in endpoints/metrics.cpp.
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
    // What they found in a cache.
    cache_hit,
    cache_miss,
    // Questions for a session's row, by what PostgreSQL said.
    lookup_found,
    lookup_absent,
    lookup_timeout,  // and what follows, in the order of counter_of()
    lookup_unreachable,
    lookup_queue_full,
    lookup_error,
    lookup_unwanted,  // never sent: nobody waited any more
    // By what became of them: $auth_sigra_login.
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
    // Answers of 503.
    unavailable_timeout,  // and what follows, in the same order
    unavailable_unreachable,
    unavailable_queue_full,
    unavailable_error,
    unavailable_checks,
    // What a NOTIFY said.
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
    // States of a live worker from here on.
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

// Milliseconds or sizes, by bound.
template <std::size_t bounds>
struct Histogram {
    std::array<std::atomic<std::uint64_t>, bounds + 1> buckets;
    std::atomic<std::uint64_t> sum;  // microseconds for latencies
};

// Servers that connections are counted by. There are never so many; those
// that are too many are counted as one.
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
    // States: open connections by server_number() and state; `met` where the
    // worker has had one there.
    struct Server {
        std::atomic<std::uint32_t> met;
        std::array<std::atomic<std::uint32_t>,
                   postgres::ConnectionFigure::states>
            connections;
    };
    std::array<Server, max_servers> servers;
};

// The slot that this process writes to. Never null: without a zone, or where
// all slots are taken, it is one of this process alone.
extern CounterSlot* own_counters;

// One writer: no atomic addition is needed, only that a reader sees no half of
// a number.
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

// `timeout`: the first of four, of what has no answer by why it has none.
[[nodiscard]] Counter counter_of(Counter timeout, postgres::Status failure);

void count_latency(Histogram<latency_bounds_ms.size()>& histogram,
                   std::uint64_t microseconds);

// Makes the zone; once for each cycle that has auth_sigra_status.
[[nodiscard]] bool add_counters_zone(ngx_conf_t* cf);
// In a worker: takes a slot, and leaves it.
void take_counters(ngx_cycle_t* cycle);
void leave_counters() noexcept;

// Of the worker's connections, all of them.
void set_connections(const std::vector<postgres::ConnectionFigure>& figures);
// Of CounterSlot::servers; empty where there is none yet.
[[nodiscard]] std::string server_at(std::size_t number);

// Empty without a zone.
[[nodiscard]] std::span<CounterSlot> counter_slots();
// Of a process that runs.
[[nodiscard]] bool is_live(const CounterSlot& slot);

}  // namespace sigra::nginx
