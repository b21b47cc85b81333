// The counters of all workers, summed up and with names.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/counters.hpp"

namespace sigra::nginx {

struct Metrics {
    std::uint64_t workers = 0;  // live ones
    std::array<std::uint64_t, static_cast<std::size_t>(Counter::count_)>
        counts{};
    std::array<std::uint64_t, latency_bounds_ms.size() + 1> lookup_latency{};
    std::uint64_t lookup_latency_us = 0;
    std::array<std::uint64_t, latency_bounds_ms.size() + 1> check_latency{};
    std::uint64_t check_latency_us = 0;
    std::array<std::uint64_t, postgres::batch_bounds.size() + 1> batches{};
    std::uint64_t batched = 0;
    std::map<std::string, cache::Zone::Figures> zones;  // by name
    // By server, summed up over all workers.
    std::map<std::string,
             std::array<std::uint64_t, postgres::ConnectionFigure::states>>
        connections;
    // By the worker's number. During a reload two workers have the same one.
    struct Channels {
        std::uint64_t up = 0;
        std::uint64_t down = 0;
    };
    std::map<std::uint64_t, Channels> channels;

    [[nodiscard]] std::uint64_t operator[](Counter counter) const {
        return counts[static_cast<std::size_t>(counter)];
    }
};

// In the order of postgres::ConnectionFigure::State.
inline constexpr std::array<std::string_view,
                            postgres::ConnectionFigure::states>
    connection_states{"connecting", "idle", "busy", "listening"};

[[nodiscard]] Metrics read_metrics(const CacheConf& caches);
// {"workers":1,"requests":{"hit":0,…},…}
[[nodiscard]] std::string as_json(const Metrics& metrics);
// Text exposition format 0.0.4.
[[nodiscard]] std::string as_prometheus(const Metrics& metrics);

}  // namespace sigra::nginx
