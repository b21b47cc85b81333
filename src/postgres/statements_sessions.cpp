// Statements that list and end a user's sessions, for auth_sigra_sessions.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "postgres/parts.hpp"
#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

using Row = std::vector<std::optional<std::string>>;

enum Field : std::size_t {
    id,
    created,
    expires,
    authenticated,
    active,
    ip,
    user_agent,
    is_own,
    field_count,
};

// Reads Unix seconds, clamped because a timestamp may be infinite.
std::optional<std::int64_t> seconds(const std::optional<std::string>& text) {
    double value = 0;
    if (!text) {
        return std::nullopt;
    }
    const char* end = text->data() + text->size();
    const auto [stop, code] = std::from_chars(text->data(), end, value);
    if (code != std::errc() || stop != end || std::isnan(value)) {
        return std::nullopt;
    }
    constexpr auto bound = static_cast<double>(max_time) / 1000;
    return static_cast<std::int64_t>(
        std::floor(std::clamp(value, -bound, bound)));
}

}  // namespace

// Lists the sessions that a lookup would accept, except rows that only keep the
// old token of a session for the grace: they are not sessions of their own.
std::string list_sessions_sql(const Layout& layout, const Catalog& catalog) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$3", "$4");
    define_kin(sql);
    sql.set("max", std::to_string(max_listed));
    sql.set("active_now", now_as(catalog.last_active_at_has_zone));
    sql.define("awake", sessions ? " AND ($5::integer {=} 0"
                                   " OR t.type {=} 'remember_me'"
                                   " OR t.last_active_at IS NULL"
                                   " OR t.last_active_at {>=} ({active_now} {-}"
                                   " pg_catalog.make_interval(secs =>"
                                   " $5::integer)))"
                                 : " AND ($5::integer IS NULL OR true)");
    sql.define("spare",
               "({last_minute} AND {grace} {>} interval '0' AND EXISTS (SELECT"
               " FROM {sessions} k WHERE k.user_id {id=} t.user_id"
               " AND k.type {=} t.type"
               " AND k.inserted_at {=} (t.inserted_at {+} {grace})))");
    sql.set("created", epoch("s.inserted_at"));
    sql.set("authenticated_epoch", epoch("s.authenticated_at"));
    sql.set("seen", sessions ? epoch("s.last_active_at") +
                                   ", pg_catalog.concat(s.ip),"
                                   " s.user_agent::pg_catalog.text"
                             : "NULL, NULL, NULL");
    // concat() casts an ip of type inet to text without a netmask. Ordering by
    // is_own keeps the session of the request in the list, however long it is.
    return sql.expand(
        "WITH named AS (SELECT {named_columns} FROM {sessions} t"
        " WHERE t.token {=} $2::{bytea} AND t.user_id {id=} $1::{text}::{id}),"
        " own AS ({kin})"
        " SELECT s.id::{text}, {created}, {created} {+} s.ttl,"
        " {authenticated_epoch}, {seen}, s.is_own"
        " FROM (SELECT t.id, t.inserted_at, t.authenticated_at{carried},"
        " {ttl} AS ttl, EXISTS (SELECT FROM own o WHERE o.id {key=} t.id)"
        " AS is_own FROM {sessions} t"
        " WHERE t.user_id {id=} $1::{text}::{id}{logged_in} AND t.inserted_at"
        " {>} ({clock} {-} pg_catalog.make_interval(secs => {ttl})){awake}"
        " AND NOT {spare}"
        " ORDER BY is_own DESC, t.inserted_at DESC, t.id DESC LIMIT {max}) s"
        " ORDER BY s.inserted_at DESC, s.id DESC");
}

// The row is locked before its kin is searched. A concurrent statement may be
// giving it a new token, and inserting another row for the old one. Then the
// token has changed since this statement began, and the row is left to the
// second execution, which sees both rows; see is_sent_twice(). The id is
// compared as text, so that a text that is no id matches no row and raises no
// error.
std::string end_session_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$3", "$4");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout, "gone");
    return sql.expand(
        "WITH held AS (SELECT t.id, t.{token} AS token FROM {tokens} t"
        " WHERE t.{user} {id=} $1::{text}::{id} AND t.id::{text} {=} $2::{text}"
        " AND {live}{logged_in} FOR UPDATE OF t),"
        " named AS (SELECT {named_columns} FROM held h JOIN {sessions} t"
        " ON t.id {key=} h.id AND t.token {=} h.token),"
        " doomed AS ({kin}), {gone}{notified}"
        " SELECT g.hash FROM gone g{heard}");
}

std::optional<ListedSession> read_listed(const Row& row) {
    if (row.size() != field_count || !row[id] || !row[is_own]) {
        return std::nullopt;
    }
    const auto created_at = seconds(row[created]);
    const auto expires_at = seconds(row[expires]);
    if (!created_at || !expires_at) {
        return std::nullopt;
    }
    ListedSession session;
    session.id = *row[id];
    session.created_at = *created_at;
    session.expires_at = *expires_at;
    session.authenticated_at = seconds(row[authenticated]);
    session.last_active_at = seconds(row[active]);
    if (row[ip] && !row[ip]->empty()) {
        session.ip = row[ip];
    }
    session.user_agent = row[user_agent];
    session.is_own = *row[is_own] == "t";
    return session;
}

}  // namespace sigra::postgres
