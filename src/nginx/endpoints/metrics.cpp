#include "nginx/endpoints/metrics.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

#include "nginx/endpoints/metric_table.hpp"

namespace sigra::nginx {
namespace {

template <std::size_t size, class Number>
void sum_up(std::array<std::uint64_t, size>& to,
            const std::array<std::atomic<Number>, size>& from) {
    for (std::size_t i = 0; i < size; i++) {
        to[i] += from[i].load(std::memory_order_relaxed);
    }
}

// Includes servers that a worker was connected to before and is not now: a zero
// tells more than a missing value.
void add_connections(Metrics& metrics, const CounterSlot& slot) {
    for (std::size_t i = 0; i < slot.servers.size(); i++) {
        const CounterSlot::Server& server = slot.servers[i];
        if (server.met.load(std::memory_order_relaxed) != 0) {
            sum_up(metrics.connections[server_at(i)], server.connections);
        }
    }
}

void add_channels(Metrics& metrics, const CounterSlot& slot) {
    const auto state = [&](Counter counter) {
        return slot.counts[static_cast<std::size_t>(counter)].load(
            std::memory_order_relaxed);
    };
    Metrics::Channels& channels =
        metrics.channels[slot.worker.load(std::memory_order_relaxed)];
    channels.up += state(Counter::channels_up);
    channels.down += state(Counter::channels_down);
}

template <class Bounds, std::size_t buckets>
nlohmann::json histogram_json(const Bounds& bounds,
                              const std::array<std::uint64_t, buckets>& counts,
                              std::uint64_t sum, std::string_view sum_name) {
    auto json = nlohmann::json::object();
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < buckets; i++) {
        total += counts[i];
        json["buckets"][i < bounds.size() ? std::to_string(bounds[i])
                                          : "more"] = counts[i];
    }
    json["count"] = total;
    json[std::string(sum_name)] = sum;
    return json;
}

}  // namespace

Metrics read_metrics(const CacheConf& caches) {
    Metrics metrics;
    for (const auto& [name, zone] : caches.zones) {
        metrics.zones[name] = zone.zone->figures();
    }
    for (const CounterSlot& slot : counter_slots()) {
        sum_up(metrics.lookup_latency, slot.lookup_latency.buckets);
        sum_up(metrics.check_latency, slot.check_latency.buckets);
        sum_up(metrics.batches, slot.batches.buckets);
        metrics.batched += slot.batches.sum.load(std::memory_order_relaxed);
        metrics.lookup_latency_us +=
            slot.lookup_latency.sum.load(std::memory_order_relaxed);
        metrics.check_latency_us +=
            slot.check_latency.sum.load(std::memory_order_relaxed);
        const bool live = is_live(slot);
        metrics.workers += live ? 1 : 0;
        if (live) {
            add_connections(metrics, slot);
            add_channels(metrics, slot);
        }
        for (std::size_t i = 0; i < metrics.counts.size(); i++) {
            // A worker that died did not clear its states.
            if (live || static_cast<Counter>(i) < first_state) {
                metrics.counts[i] +=
                    slot.counts[i].load(std::memory_order_relaxed);
            }
        }
    }
    return metrics;
}

std::string as_json(const Metrics& metrics) {
    auto json = nlohmann::json::object();
    json["workers"] = metrics.workers;
    for (const MetricRow& row : metric_table()) {
        const std::uint64_t value = metrics[row.entry.counter];
        if (row.family.label.empty()) {
            json[std::string(row.family.json)] = value;
        } else {
            json[std::string(row.family.json)][std::string(row.entry.value)] =
                value;
        }
    }
    json["lookup_latency_ms"] =
        histogram_json(latency_bounds_ms, metrics.lookup_latency,
                       metrics.lookup_latency_us, "sum_us");
    json["password_check_ms"] =
        histogram_json(latency_bounds_ms, metrics.check_latency,
                       metrics.check_latency_us, "sum_us");
    json["batch_size"] = histogram_json(postgres::batch_bounds, metrics.batches,
                                        metrics.batched, "sum");
    json["zones"] = nlohmann::json::object();
    for (const auto& [name, zone] : metrics.zones) {
        json["zones"][name] = {{"cells", zone.cells},
                               {"entries", zone.entries},
                               {"evictions", zone.evictions}};
    }
    json["connections"] = nlohmann::json::object();
    for (const auto& [server, states] : metrics.connections) {
        for (std::size_t i = 0; i < states.size(); i++) {
            json["connections"][server][std::string(connection_states[i])] =
                states[i];
        }
    }
    json["channels"]["by_worker"] = nlohmann::json::object();
    for (const auto& [worker, channels] : metrics.channels) {
        json["channels"]["by_worker"][std::to_string(worker)] = {
            {"up", channels.up}, {"down", channels.down}};
    }
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
}

}  // namespace sigra::nginx
