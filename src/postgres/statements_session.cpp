// The sessions' beginning and end. Each statement is one transaction, whose
// parts see the tables as they were when it began.
#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

// A parameter that the layout has no use for still needs a type.
constexpr std::string_view unused_boolean =
    " AND ($6::boolean IS NULL OR true)";
constexpr std::string_view unused_text = " AND ($8::text IS NULL OR true)";

// {ttl}: of a row t, in seconds. {grace}: how much older than the row that
// replaced it reissue makes a row.
void define_ttl(Template& sql, std::string_view standard,
                std::string_view remember_me) {
    sql.set("standard", std::string(standard));
    sql.set("remember_me", std::string(remember_me));
    sql.define("ttl",
               "CASE WHEN {type} = 'remember_me' THEN {remember_me}::integer"
               " ELSE {standard}::integer END");
    sql.define("grace", "make_interval(secs => {ttl} - 60)");
}

// {kin}: the ids of the rows in `named` and of their kin: the row that one has
// replaced, and the one that it was replaced by.
void define_kin(Template& sql) {
    sql.define("named_columns",
               "t.id, t.user_id, t.type, t.inserted_at, {grace} AS grace");
    sql.define("kin",
               "SELECT n.id FROM named n UNION SELECT t.id FROM named n"
               " JOIN {sessions} t ON t.user_id = n.user_id"
               " AND t.type = n.type AND t.inserted_at IN"
               " (n.inserted_at - n.grace, n.inserted_at + n.grace)"
               " WHERE n.grace > interval '0'");
}

// {gone}: deletes the doomed.
void define_gone(Template& sql) {
    sql.define("gone",
               "gone AS (DELETE FROM {tokens} t USING doomed d"
               " WHERE t.id = d.id RETURNING t.id, {hash} AS hash)");
}

// {notified}: tells of the hashes in `source`; {heard} is a condition that
// has it executed, for a SELECT in WITH is not unless something asks for it.
void define_notified(Template& sql, const Layout& layout,
                     std::string_view source) {
    if (layout.channel.empty()) {
        sql.set("notified", "");
        sql.set("heard", "");
        return;
    }
    sql.set("source", std::string(source));
    sql.set("channel", quoted_literal(layout.channel));
    sql.define("notified",
               ", notified AS (SELECT pg_notify({channel}, n.payload) FROM"
               " (SELECT DISTINCT CASE WHEN count(*) OVER () > 1000 THEN '*'"
               " ELSE s.hash END AS payload FROM {source} s) n)");
    sql.set("heard", " WHERE (SELECT count(*) FROM notified) >= 0");
}

// What every new row has: {columns} and {values}, the token apart.
void define_row(Template& sql, const Layout& layout, const Catalog& catalog) {
    const bool own_id =
        !catalog.token_id_has_default && catalog.token_id_type == "uuid";
    std::string columns = own_id ? "id, " : "";
    std::string values = own_id ? "gen_random_uuid(), " : "";
    if (layout.kind == LayoutKind::sigra_sessions) {
        columns += "last_active_at, ";
        values += "date_trunc('second', " +
                  now_as(catalog.last_active_at_has_zone) + "), ";
    } else {
        columns += "context, ";
        values += "'session', ";
    }
    sql.define("columns", columns + "inserted_at, {user}, {token}");
    sql.define("values", values + "{now}");
}

std::string authenticated_now(const Layout& layout, const Catalog& catalog) {
    const bool has_zone = layout.kind == LayoutKind::sigra_sessions
                              ? catalog.sudo_at_has_zone
                              : catalog.authenticated_at_has_zone;
    return "date_trunc('second', " + now_as(has_zone) + ")";
}

// {carried}: what a row `old` hands down. {fresh}: inserts its successor,
// whose token is $2; `authenticated` is the successor's.
void define_successor(Template& sql, const Layout& layout,
                      const Catalog& catalog,
                      const std::string& authenticated) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    define_row(sql, layout, catalog);
    sql.set("logged_in", std::string(sessions ? logged_in : ""));
    sql.define("carried",
               "t.id, t.{user} AS user_id, {type} AS type, t.inserted_at,"
               " {authenticated} AS authenticated_at, {hash} AS hash, " +
                   std::string(sessions ? "t.ip, t.user_agent" : "t.sent_to"));
    std::string columns = sessions ? "type, ip, user_agent" : "sent_to";
    std::string values = sessions ? "o.type, o.ip, o.user_agent" : "o.sent_to";
    if (catalog.has_authenticated_at) {
        columns += sessions ? ", sudo_at" : ", authenticated_at";
        values += ", " + authenticated;
    }
    sql.define("fresh",
               "fresh AS (INSERT INTO {tokens} AS t ({columns}, " + columns +
                   ") SELECT {values}, o.user_id, $2::bytea, " + values +
                   " FROM old o RETURNING {authenticated} AS authenticated_at,"
                   " {type} AS type)");
    sql.define("successor", "SELECT floor(" + epoch("f.authenticated_at") +
                                "), f.type FROM fresh f");
}

// {account}: the users row, if the password that was verified is still its
// own. It is written, and so locked, only where there is something to write:
// the role may do without the right.
void define_account(Template& sql, const Layout& layout) {
    sql.set(
        "found",
        " WHERE u.id = $1::text::" + sql.expand("{id}") +
            " AND u.hashed_password = $2::text" +
            (layout.where.empty() ? "" : " AND " + condition(layout.where)));
    std::string set;
    if (layout.lockout) {
        set = "failed_login_attempts = 0, locked_at = NULL";
    }
    if (layout.rehash) {
        set += (set.empty() ? "" : ", ") +
               std::string(
                   "hashed_password = coalesce($8::text,"
                   " u.hashed_password)");
    }
    const std::string unused(layout.rehash ? "" : unused_text);
    sql.define("account",
               set.empty() ? "account AS (SELECT u.id FROM {users} u{found}" +
                                 unused + ")"
                           : "account AS (UPDATE {users} u SET " + set +
                                 "{found}" + unused + " RETURNING u.id)");
}

}  // namespace

std::string login_sql(const Layout& layout, const Catalog& catalog) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    const std::string now = authenticated_now(layout, catalog);
    Template sql(layout, catalog);
    define_ttl(sql, "$6", "$7");
    define_account(sql, layout);
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout, "gone");
    define_row(sql, layout, catalog);
    std::string columns;
    std::string values;
    if (sessions) {
        columns = ", type, ip, user_agent";
        values = ", $9::text, $10, $11";
    }
    if (catalog.has_authenticated_at) {
        columns += sessions ? ", sudo_at" : ", authenticated_at";
        values += sessions ? ", CASE WHEN $9::text <> 'mfa_pending' THEN " +
                                 now + " END"
                           : ", " + now;
    }
    sql.set("more_columns", columns);
    sql.set("more_values", values);
    sql.set("authenticated_now", "floor(" + epoch(now) + ")");
    return sql.expand(
        "WITH {account},"
        " named AS (SELECT {named_columns} FROM account a JOIN {sessions} t"
        " ON t.token IN ($4::bytea, $5::bytea)"
        " AND (t.token = $4::bytea OR t.user_id <> a.id)),"
        " doomed AS ({kin}), {gone}{notified},"
        " fresh AS (INSERT INTO {tokens} ({columns}{more_columns})"
        " SELECT {values}, a.id, $3::bytea{more_values} FROM account a)"
        " SELECT EXISTS (SELECT FROM {sessions} t WHERE t.token = $5::bytea"
        " AND t.user_id = a.id AND t.id NOT IN (SELECT g.id FROM gone g)),"
        " {authenticated_now} FROM account a{heard}");
}

std::string logout_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, "$3", "$4");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout, "gone");
    return sql.expand(
        "WITH named AS (SELECT {named_columns} FROM {sessions} t"
        " WHERE t.token IN ($1::bytea, $2::bytea)),"
        " doomed AS ({kin}), {gone}{notified}"
        " SELECT g.hash FROM gone g{heard}");
}

std::string logout_everywhere_sql(const Layout& layout,
                                  const Catalog& catalog) {
    Template sql(layout, catalog);
    define_gone(sql);
    define_notified(sql, layout, "gone");
    return sql.expand(
        "WITH doomed AS (SELECT t.id FROM {sessions} t"
        " WHERE t.user_id = $1::text::{id} UNION SELECT t.id"
        " FROM {sessions} t WHERE t.token IN ($2::bytea, $3::bytea)),"
        " {gone}{notified} SELECT g.hash FROM gone g{heard}");
}

// The old row goes first: who comes second finds nothing to renew.
std::string renew_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, "$4", "$5");
    define_successor(sql, layout, catalog,
                     "CASE WHEN $6::boolean THEN " +
                         authenticated_now(layout, catalog) +
                         " ELSE o.authenticated_at END");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout,
                    "(SELECT o.hash FROM old o UNION ALL"
                    " SELECT g.hash FROM gone g)");
    sql.set("unused",
            std::string(catalog.has_authenticated_at ? std::string_view()
                                                     : unused_boolean));
    return sql.expand(
        "WITH old AS (DELETE FROM {tokens} t WHERE t.{token} = $1::bytea"
        " AND {live}{logged_in}{unused} RETURNING {carried}),"
        " named AS (SELECT {named_columns} FROM old t UNION ALL"
        " SELECT {named_columns} FROM old o JOIN {sessions} t"
        " ON t.token = $3::bytea AND t.user_id = o.user_id),"
        " doomed AS ({kin} EXCEPT SELECT o.id FROM old o),"
        " {gone}{notified}, {fresh} {successor}{heard}");
}

// The age is compared with the clock, not with the statement's time: who has
// waited for the winner's lock may have started before the winner.
std::string reissue_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, "$4", "$5");
    define_successor(sql, layout, catalog, "o.authenticated_at");
    define_notified(sql, layout, "old");
    sql.set("clock", catalog.inserted_at_has_zone
                         ? "clock_timestamp()"
                         : "(clock_timestamp() AT TIME ZONE 'utc')");
    return sql.expand(
        "WITH old AS (UPDATE {tokens} t SET inserted_at = {now} - {grace}"
        " WHERE t.{token} = $1::bytea AND {live}{logged_in}"
        " AND t.inserted_at <= {clock} - make_interval(secs => $3::integer)"
        " AND t.inserted_at > {clock} - {grace} RETURNING {carried})"
        "{notified}, {fresh} {successor}{heard}");
}

}  // namespace sigra::postgres
