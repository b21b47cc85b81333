#include "nginx/endpoints/metrics.hpp"

#include <nlohmann/json.hpp>
#include <string_view>

namespace sigra::nginx {
namespace {

// A family of counters: how JSON and Prometheus name it, and the label that
// tells its counters apart.
struct Family {
    std::string_view json;
    std::string_view name;
    std::string_view type;
    std::string_view label;  // empty: one counter
    std::string_view help;
};

struct Entry {
    Counter counter;
    std::string_view value;  // of the label
};

constexpr Family requests{"requests", "auth_sigra_requests_total", "counter",
                          "verdict", "Requests by $auth_sigra_status."};
constexpr Family lookups{"lookups", "auth_sigra_lookups_total", "counter",
                         "result", "Questions for a session by answer."};
constexpr Family logins{"logins", "auth_sigra_logins_total", "counter",
                        "result", "Logins by $auth_sigra_login."};
constexpr Family logouts{"logouts", "auth_sigra_logouts_total", "counter", "",
                         "Log-outs."};
constexpr Family unavailable{"unavailable", "auth_sigra_unavailable_total",
                             "counter", "cause", "Answers of 503 by cause."};
constexpr Family revocations{"revocations", "auth_sigra_revocations_total",
                             "counter", "kind",
                             "Notifications received, counted in each worker."};
constexpr Family lost_channels{"channels_lost",
                               "auth_sigra_channels_lost_total", "counter", "",
                               "Revocation channels that went down."};
constexpr Family closed{"closed", "auth_sigra_closed_total", "counter", "",
                        "Connections that ended with their session."};
constexpr Family pruned{"pruned", "auth_sigra_pruned_total", "counter", "",
                        "Rows of expired sessions that were deleted."};
constexpr Family connects{"connects", "auth_sigra_database_connects_total",
                          "counter", "",
                          "Connections to PostgreSQL that were opened."};
constexpr Family syncs{"syncs", "auth_sigra_database_syncs_total", "counter",
                       "", "Round trips to PostgreSQL."};
constexpr Family connections{"connections", "auth_sigra_connections", "gauge",
                             "", "Open connections to PostgreSQL."};
constexpr Family checks{"password_checks", "auth_sigra_password_checks",
                        "gauge", "state", "Password checks."};
constexpr Family statements{"statements_sent", "auth_sigra_statements_sent",
                            "gauge", "",
                            "Statements that are sent and not answered."};
constexpr Family waiting{"statements_waiting", "auth_sigra_statements_waiting",
                         "gauge", "class",
                         "Statements that wait for a connection."};
constexpr Family failovers{"failovers", "auth_sigra_database_failovers_total",
                           "counter", "",
                           "Connections to another server than the last."};
constexpr Family channels{"channels", "auth_sigra_channels", "gauge", "state",
                          "Revocation channels of all workers."};

struct Row {
    const Family& family;
    Entry entry;
};

const Row table[] = {
    {requests, {Counter::request_hit, "hit"}},
    {requests, {Counter::request_miss, "miss"}},
    {requests, {Counter::request_anonymous, "anonymous"}},
    {requests, {Counter::request_expired, "expired"}},
    {requests, {Counter::request_unknown, "unknown"}},
    {requests, {Counter::request_invalid, "invalid"}},
    {requests, {Counter::request_stale, "stale"}},
    {requests, {Counter::request_error, "error"}},
    {requests, {Counter::request_forbidden, "forbidden"}},
    {lookups, {Counter::lookup_found, "found"}},
    {lookups, {Counter::lookup_absent, "absent"}},
    {lookups, {Counter::lookup_no_answer, "no_answer"}},
    {logins, {Counter::login_ok, "ok"}},
    {logins, {Counter::login_refused, "refused"}},
    {logins, {Counter::login_locked, "locked"}},
    {logins, {Counter::login_second_factor, "second_factor"}},
    {logins, {Counter::login_fallback, "fallback"}},
    {logins, {Counter::login_csrf, "csrf"}},
    {logins, {Counter::login_origin, "origin"}},
    {logins, {Counter::login_busy, "busy"}},
    {logins, {Counter::login_malformed, "malformed"}},
    {logins, {Counter::login_error, "error"}},
    {logouts, {Counter::logout, ""}},
    {unavailable, {Counter::unavailable_database, "database"}},
    {unavailable, {Counter::unavailable_checks, "password_checks"}},
    {revocations, {Counter::revocation_token, "token"}},
    {revocations, {Counter::revocation_user, "user"}},
    {revocations, {Counter::revocation_all, "all"}},
    {lost_channels, {Counter::channel_lost, ""}},
    {closed, {Counter::closed_session, ""}},
    {pruned, {Counter::pruned, ""}},
    {connects, {Counter::connection_opened, ""}},
    {syncs, {Counter::sync_sent, ""}},
    {failovers, {Counter::failover, ""}},
    {connections, {Counter::connections_open, ""}},
    {checks, {Counter::checks_running, "running"}},
    {checks, {Counter::checks_waiting, "waiting"}},
    {waiting, {Counter::lookups_waiting, "lookup"}},
    {waiting, {Counter::logins_waiting, "login"}},
    {waiting, {Counter::writes_waiting, "write"}},
    {waiting, {Counter::background_waiting, "background"}},
    {statements, {Counter::statements_sent, ""}},
    {channels, {Counter::channels_up, "up"}},
    {channels, {Counter::channels_down, "down"}},
};
static_assert(std::size(table) == static_cast<std::size_t>(Counter::count_));

std::uint64_t value_of(const Metrics& metrics, Counter counter) {
    return metrics.counts[static_cast<std::size_t>(counter)];
}

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

// `scale`: how many of the counters' units are one of Prometheus'.
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

template <std::size_t size>
void sum_up(std::array<std::uint64_t, size>& to,
            const std::array<std::atomic<std::uint64_t>, size>& from) {
    for (std::size_t i = 0; i < size; i++) {
        to[i] += from[i].load(std::memory_order_relaxed);
    }
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
        for (std::size_t i = 0; i < metrics.counts.size(); i++) {
            // A worker that died has left its states behind.
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
    for (const Row& row : table) {
        const std::uint64_t value = value_of(metrics, row.entry.counter);
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
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
}

std::string as_prometheus(const Metrics& metrics) {
    std::string out;
    add_head(out, "auth_sigra_workers", "gauge", "Workers that are counted.");
    add_sample(out, "auth_sigra_workers", "", std::to_string(metrics.workers));
    const Family* head = nullptr;
    for (const Row& row : table) {
        if (&row.family != head) {
            head = &row.family;
            add_head(out, head->name, head->type, head->help);
        }
        add_sample(out, head->name,
                   head->label.empty() ? std::string()
                                       : label(head->label, row.entry.value),
                   std::to_string(value_of(metrics, row.entry.counter)));
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
                  "Statements that were sent to PostgreSQL together.",
                  postgres::batch_bounds, 1, metrics.batches, metrics.batched,
                  1);
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
