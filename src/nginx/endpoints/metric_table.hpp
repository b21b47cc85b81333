// The names of the counters and states: one table for JSON and Prometheus.
#pragma once

#include <span>
#include <string_view>

#include "nginx/counters.hpp"

namespace sigra::nginx {

// A family of counters: its names in JSON and Prometheus, and the label that
// distinguishes its counters.
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

// One row for each counter; those of a family follow each other.
[[nodiscard]] std::span<const MetricRow> metric_table();

}  // namespace sigra::nginx
