// The counters of all workers, summed and named.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "nginx/conf/conf.hpp"
#include "nginx/counters.hpp"

namespace sigra::nginx {

struct Metrics {
    std::uint64_t workers = 0;  // that live
    std::array<std::uint64_t, static_cast<std::size_t>(Counter::count_)>
        counts{};
    std::array<std::uint64_t, latency_bounds_ms.size() + 1> lookup_latency{};
    std::uint64_t lookup_latency_us = 0;
    std::array<std::uint64_t, latency_bounds_ms.size() + 1> check_latency{};
    std::uint64_t check_latency_us = 0;
    std::array<std::uint64_t, postgres::batch_bounds.size() + 1> batches{};
    std::uint64_t batched = 0;
    std::map<std::string, cache::Zone::Figures> zones;  // by name
};

[[nodiscard]] Metrics read_metrics(const CacheConf& caches);
// {"workers":1,"requests":{"hit":0,…},…}
[[nodiscard]] std::string as_json(const Metrics& metrics);
// Text exposition format 0.0.4.
[[nodiscard]] std::string as_prometheus(const Metrics& metrics);

}  // namespace sigra::nginx
