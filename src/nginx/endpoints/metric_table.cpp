#include "nginx/endpoints/metric_table.hpp"

namespace sigra::nginx {
namespace {

using Family = MetricFamily;
using Row = MetricRow;

constexpr Family requests{"requests", "auth_sigra_requests_total", "counter",
                          "verdict", "Requests by $auth_sigra_status."};
constexpr Family cached{"cache_lookups", "auth_sigra_cache_lookups_total",
                        "counter", "result", "Lookups in the session cache."};
constexpr Family lookups{"lookups", "auth_sigra_lookups_total", "counter",
                         "result", "Lookups in PostgreSQL by result."};
constexpr Family logins{"logins", "auth_sigra_logins_total", "counter",
                        "result", "Logins by $auth_sigra_login."};
constexpr Family logouts{"logouts", "auth_sigra_logouts_total", "counter", "",
                         "Log-outs."};
constexpr Family unavailable{"unavailable", "auth_sigra_unavailable_total",
                             "counter", "cause",
                             "Responses with 503 by cause."};
constexpr Family revocations{"revocations", "auth_sigra_revocations_total",
                             "counter", "kind",
                             "Notifications received, counted in each worker."};
constexpr Family lost_channels{"channels_lost",
                               "auth_sigra_channels_lost_total", "counter", "",
                               "Revocation channels that went down."};
constexpr Family closed{"closed", "auth_sigra_closed_total", "counter", "cause",
                        "Open requests that ended with their session."};
constexpr Family pruned{"pruned", "auth_sigra_pruned_total", "counter", "",
                        "Rows of expired sessions that were deleted."};
constexpr Family connects{"connects", "auth_sigra_database_connects_total",
                          "counter", "",
                          "Connections to PostgreSQL that were opened."};
constexpr Family reconnects{
    "reconnects", "auth_sigra_database_reconnects_total", "counter", "",
    "Connections opened after one was lost or could not be opened."};
constexpr Family syncs{"syncs", "auth_sigra_database_syncs_total", "counter",
                       "", "Round trips to PostgreSQL."};
constexpr Family checks{"password_checks", "auth_sigra_password_checks",
                        "gauge", "state", "Password checks."};
constexpr Family statements{"statements_sent", "auth_sigra_statements_sent",
                            "gauge", "",
                            "Statements that were sent and not yet answered."};
constexpr Family waiting{"statements_waiting", "auth_sigra_statements_waiting",
                         "gauge", "class",
                         "Statements that wait for a connection."};
constexpr Family failovers{"failovers", "auth_sigra_database_failovers_total",
                           "counter", "",
                           "Connections to another server than the last."};
constexpr Family channels{"channels", "auth_sigra_channels", "gauge", "state",
                          "Revocation channels by worker."};

const Row rows[] = {
    {requests, {Counter::request_hit, "hit"}},
    {requests, {Counter::request_miss, "miss"}},
    {requests, {Counter::request_anonymous, "anonymous"}},
    {requests, {Counter::request_expired, "expired"}},
    {requests, {Counter::request_unknown, "unknown"}},
    {requests, {Counter::request_invalid, "invalid"}},
    {requests, {Counter::request_stale, "stale"}},
    {requests, {Counter::request_error, "error"}},
    {requests, {Counter::request_forbidden, "forbidden"}},
    {cached, {Counter::cache_hit, "hit"}},
    {cached, {Counter::cache_miss, "miss"}},
    {lookups, {Counter::lookup_found, "found"}},
    {lookups, {Counter::lookup_absent, "absent"}},
    {lookups, {Counter::lookup_timeout, "timeout"}},
    {lookups, {Counter::lookup_unreachable, "unreachable"}},
    {lookups, {Counter::lookup_queue_full, "queue_full"}},
    {lookups, {Counter::lookup_error, "error"}},
    {lookups, {Counter::lookup_unwanted, "unwanted"}},
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
    {unavailable, {Counter::unavailable_timeout, "timeout"}},
    {unavailable, {Counter::unavailable_unreachable, "unreachable"}},
    {unavailable, {Counter::unavailable_queue_full, "queue_full"}},
    {unavailable, {Counter::unavailable_error, "error"}},
    {unavailable, {Counter::unavailable_checks, "password_checks"}},
    {revocations, {Counter::revocation_token, "token"}},
    {revocations, {Counter::revocation_user, "user"}},
    {revocations, {Counter::revocation_all, "all"}},
    {lost_channels, {Counter::channel_lost, ""}},
    {closed, {Counter::closed_revoked, "revoked"}},
    {closed, {Counter::closed_expired, "expired"}},
    {pruned, {Counter::pruned, ""}},
    {connects, {Counter::connection_opened, ""}},
    {reconnects, {Counter::reconnect, ""}},
    {syncs, {Counter::sync_sent, ""}},
    {failovers, {Counter::failover, ""}},
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
static_assert(std::size(rows) == static_cast<std::size_t>(Counter::count_));

}  // namespace

std::span<const MetricRow> metric_table() {
    return rows;
}

}  // namespace sigra::nginx
