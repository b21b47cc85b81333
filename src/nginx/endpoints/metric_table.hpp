// The counters and states by name: one table for JSON and for Prometheus.
#pragma once

#include <span>
#include <string_view>

#include "nginx/counters.hpp"

namespace sigra::nginx {

// A family of counters: how JSON and Prometheus name it, and the label that
// tells its counters apart.
struct MetricFamily {
    std::string_view json;
    std::string_view name;
    std::string_view type;
    std::string_view label;  // empty: one counter
    std::string_view help;
};

struct MetricEntry {
    Counter counter;
    std::string_view value;  // of the label
};

struct MetricRow {
    const MetricFamily& family;
    MetricEntry entry;
};

// One for each counter; those of a family stand together.
[[nodiscard]] std::span<const MetricRow> metric_table();

}  // namespace sigra::nginx
