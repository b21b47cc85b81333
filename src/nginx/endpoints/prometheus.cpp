// Prometheus' text exposition format, as promtool checks it.
#include <string_view>

#include "nginx/endpoints/metric_table.hpp"
#include "nginx/endpoints/metrics.hpp"

namespace sigra::nginx {
namespace {

void add_head(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
    out.append("# HELP ").append(name).append(" ").append(help);
    out.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void add_sample(std::string& out, std::string_view name,
                std::string_view labels, std::string_view value) {
    out.append(name);
    if (!labels.empty()) {
        out.append("{").append(labels).append("}");
    }
    out.append(" ").append(value).append("\n");
}

std::string label(std::string_view name, std::string_view value) {
    std::string out(name);
    out += "=\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

// `scale`: how many of the counter's units make one of Prometheus' units.
std::string scaled(std::uint64_t value, unsigned scale) {
    if (scale == 1) {
        return std::to_string(value);
    }
    std::string fraction = std::to_string(value % scale);
    const std::size_t digits = std::to_string(scale - 1).size();
    fraction.insert(0, digits - fraction.size(), '0');
    return std::to_string(value / scale) + "." + fraction;
}

template <std::size_t buckets, class Bounds>
void add_histogram(std::string& out, std::string_view name,
                   std::string_view help, const Bounds& bounds,
                   unsigned bound_scale,
                   const std::array<std::uint64_t, buckets>& counts,
                   std::uint64_t sum, unsigned sum_scale) {
    add_head(out, name, "histogram", help);
    const std::string bucket = std::string(name) + "_bucket";
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < buckets; i++) {
        total += counts[i];
        add_sample(
            out, bucket,
            label("le",
                  i < bounds.size() ? scaled(bounds[i], bound_scale) : "+Inf"),
            std::to_string(total));
    }
    add_sample(out, std::string(name) + "_sum", "", scaled(sum, sum_scale));
    add_sample(out, std::string(name) + "_count", "", std::to_string(total));
}

void add_zones(std::string& out, const Metrics& metrics, std::string_view name,
               std::string_view type, std::string_view help,
               std::uint64_t cache::Zone::Figures::*figure) {
    if (metrics.zones.empty()) {
        return;
    }
    add_head(out, name, type, help);
    for (const auto& [zone, figures] : metrics.zones) {
        add_sample(out, name, label("zone", zone),
                   std::to_string(figures.*figure));
    }
}

void add_connections(std::string& out, const Metrics& metrics) {
    constexpr std::string_view name = "auth_sigra_connections";
    add_head(out, name, "gauge", "Connections to PostgreSQL.");
    for (const auto& [server, states] : metrics.connections) {
        for (std::size_t i = 0; i < states.size(); i++) {
            add_sample(out, name,
                       label("server", server) + "," +
                           label("state", connection_states[i]),
                       std::to_string(states[i]));
        }
    }
}

void add_channels(std::string& out, const Metrics& metrics) {
    constexpr std::string_view name = "auth_sigra_channels";
    add_head(out, name, "gauge", "Revocation channels by worker.");
    for (const auto& [worker, channels] : metrics.channels) {
        const std::string by = label("worker", std::to_string(worker)) + ",";
        add_sample(out, name, by + label("state", "up"),
                   std::to_string(channels.up));
        add_sample(out, name, by + label("state", "down"),
                   std::to_string(channels.down));
    }
}

}  // namespace

std::string as_prometheus(const Metrics& metrics) {
    std::string out;
    add_head(out, "auth_sigra_workers", "gauge", "Workers that are counted.");
    add_sample(out, "auth_sigra_workers", "", std::to_string(metrics.workers));
    const MetricFamily* head = nullptr;
    for (const MetricRow& row : metric_table()) {
        // These follow below, by worker.
        if (row.entry.counter == Counter::channels_up ||
            row.entry.counter == Counter::channels_down) {
            continue;
        }
        if (&row.family != head) {
            head = &row.family;
            add_head(out, head->name, head->type, head->help);
        }
        add_sample(out, head->name,
                   head->label.empty() ? std::string()
                                       : label(head->label, row.entry.value),
                   std::to_string(metrics[row.entry.counter]));
    }
    add_histogram(out, "auth_sigra_lookup_duration_seconds",
                  "From when a lookup is sent to its answer.",
                  latency_bounds_ms, 1000, metrics.lookup_latency,
                  metrics.lookup_latency_us, 1000000);
    add_histogram(out, "auth_sigra_password_check_duration_seconds",
                  "What a password check took on its thread.",
                  latency_bounds_ms, 1000, metrics.check_latency,
                  metrics.check_latency_us, 1000000);
    add_histogram(out, "auth_sigra_batch_statements",
                  "Statements sent to PostgreSQL together; each lookup counts.",
                  postgres::batch_bounds, 1, metrics.batches, metrics.batched,
                  1);
    add_connections(out, metrics);
    add_channels(out, metrics);
    add_zones(out, metrics, "auth_sigra_cache_cells", "gauge",
              "Sessions that a cache has room for.",
              &cache::Zone::Figures::cells);
    add_zones(out, metrics, "auth_sigra_cache_entries", "gauge",
              "Sessions that a cache holds.", &cache::Zone::Figures::entries);
    add_zones(out, metrics, "auth_sigra_cache_evictions_total", "counter",
              "Sessions that left a cache for want of room.",
              &cache::Zone::Figures::evictions);
    return out;
}

}  // namespace sigra::nginx
