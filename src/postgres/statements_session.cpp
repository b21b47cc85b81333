// Statements that begin and end sessions. Each one is a transaction; all parts
// of a statement see the tables as they were when it began.
//
// A session that takes a new token keeps its row. A concurrent DELETE waits for
// the UPDATE and then finds the row by its id or its user. It does not find a
// row that was inserted meanwhile: the one that keeps the old token. So a
// log-out is executed twice under its sync (see is_sent_twice()), and a reissue
// skips users whose row is locked, as by an application that changes a
// password.
#include "postgres/parts.hpp"
#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

// A parameter that the layout does not use still needs a type.
constexpr std::string_view unused_boolean =
    " AND ($6::boolean IS NULL OR true)";
constexpr std::string_view unused_text =
    " AND ($8::pg_catalog.text IS NULL OR true)";

// {hash_of_old}: the notification's payload for the token in parameter `old`.
void define_old(Template& sql, const Layout& layout, std::string_view old) {
    sql.set("old", std::string(old));
    sql.define("hash_of_old",
               layout.kind == LayoutKind::phx_gen_auth
                   ? "pg_catalog.encode(pg_catalog.sha256({old}::{bytea}),"
                     " 'hex')"
                   : "pg_catalog.encode({old}::{bytea}, 'hex')");
}

std::string whole_second(bool has_zone) {
    return "pg_catalog.date_trunc('second', " + now_as(has_zone) + ")";
}

// {columns}: the columns that every new row has. {values}: the values of those
// before the user's id.
void define_row(Template& sql, const Layout& layout, const Catalog& catalog) {
    const bool own_id =
        !catalog.token_id_has_default &&
        std::string_view(catalog.token_id_type).ends_with("uuid");
    std::string columns = own_id ? "id, " : "";
    std::string values = own_id ? "pg_catalog.gen_random_uuid(), " : "";
    if (layout.kind != LayoutKind::sigra_sessions) {
        columns += "context, ";
        values += "'session', ";
    }
    sql.define("columns", columns + "{user}, {token}, inserted_at");
    sql.set("values", values);
    // Values of a row that takes a new token. {active} is only for
    // sigra_sessions.
    sql.set("active", whole_second(catalog.last_active_at_has_zone));
    sql.set("authenticated_now",
            whole_second(layout.kind == LayoutKind::sigra_sessions
                             ? catalog.sudo_at_has_zone
                             : catalog.authenticated_at_has_zone));
}

// {taken}: gives the row in `own` the token in parameter `fresh` and a new age,
// and sets what `more` says, unless the row has another token by now. It
// returns the columns of `own` with their old values. {spare}: inserts a row
// that keeps the old token for 60 seconds, if `condition` on a row n of `taken`
// holds. {own_columns}: the columns that `own` needs.
void define_rotation(Template& sql, const Layout& layout,
                     const Catalog& catalog, std::string_view fresh,
                     const std::string& more, const std::string& condition) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    define_row(sql, layout, catalog);
    sql.define("own_columns", "{named_columns}, t.authenticated_at{carried}");
    sql.define("taken",
               "taken AS (UPDATE {tokens} t SET {token} = " +
                   std::string(fresh) + "::{bytea}, inserted_at = {now}" +
                   (sessions ? ", last_active_at = {active}" : "") + more +
                   " FROM own n WHERE t.id {key=} n.id"
                   " AND t.{token} {=} {old}::{bytea} RETURNING n.*,"
                   " {authenticated} AS authenticated_by_now)");
    std::string columns =
        sessions ? ", type, ip, user_agent, last_active_at" : ", sent_to";
    std::string values = sessions
                             ? ", n.type, n.ip, n.user_agent, n.last_active_at"
                             : ", n.sent_to";
    if (catalog.has_authenticated_at) {
        columns += sessions ? ", sudo_at" : ", authenticated_at";
        values += ", n.authenticated_at";
    }
    sql.define("spare", "spare AS (INSERT INTO {tokens} ({columns}" + columns +
                            ") SELECT {values}n.user_id, {old}::{bytea},"
                            " {now} {-} n.grace" +
                            values + " FROM taken n WHERE " + condition + ")");
    // inserted_at is returned in the form that take_back expects.
    sql.define("outcome",
               "SELECT pg_catalog.floor(" + epoch("n.authenticated_by_now") +
                   "), n.type, pg_catalog.to_char(n.inserted_at" +
                   (catalog.inserted_at_has_zone ? " AT TIME ZONE 'utc'" : "") +
                   ", 'YYYY-MM-DD HH24:MI:SS.US') FROM taken n");
}

// {account}: the users row, if it still has the password hash that was
// verified. The row is locked if the role may lock it. So a login waits for a
// concurrent change of the password, and a later change deletes this session
// too. The row is updated only if there is something to write.
void define_account(Template& sql, const Layout& layout,
                    const Catalog& catalog) {
    sql.set("where",
            layout.where.empty() ? "" : " AND " + condition(layout.where));
    sql.define("found",
               " WHERE u.id {id=} $1::{text}::{id}"
               " AND u.hashed_password {=} $2::{text}");
    std::string set;
    if (layout.lockout) {
        set = "failed_login_attempts = 0, locked_at = NULL";
    }
    if (layout.rehash) {
        set += (set.empty() ? "" : ", ") +
               std::string(
                   "hashed_password = coalesce($8::{text},"
                   " u.hashed_password)");
    }
    sql.set("unused", std::string(layout.rehash ? "" : unused_text));
    sql.define("update", set);
    sql.define(
        "account",
        set.empty()
            ? "account AS (SELECT u.id FROM {users} u"
              "{found}{where}{unused}" +
                  std::string(catalog.may_lock_users ? " FOR SHARE OF u)" : ")")
            : "account AS (UPDATE {users} u SET {update}"
              "{found}{where}{unused} RETURNING u.id)");
}

}  // namespace

// A session in its last minute does not take the new token: its row keeps the
// old token of another session, or is about to expire.
std::string login_sql(const Layout& layout, const Catalog& catalog) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$6", "$7");
    define_account(sql, layout, catalog);
    define_old(sql, layout, "$4");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout,
                    "(SELECT g.hash FROM gone g UNION ALL"
                    " SELECT {hash_of_old} FROM taken n)");
    std::string columns;
    std::string values;
    std::string set;
    std::string graced = "n.inserted_at {>} ({clock} {-} n.grace)";
    if (sessions) {
        columns = ", type, ip, user_agent, last_active_at";
        values = ", $9::{text}, $10, $11, {active}";
        set = ", type = $9::{text}, ip = $10, user_agent = $11";
        graced +=
            " AND NOT n.type {=} 'mfa_pending'"
            " AND NOT $9::{text} {=} 'mfa_pending'";
    }
    if (catalog.has_authenticated_at) {
        const std::string now =
            sessions ? "CASE WHEN NOT $9::{text} {=} 'mfa_pending'"
                       " THEN {authenticated_now} END"
                     : "{authenticated_now}";
        columns += sessions ? ", sudo_at" : ", authenticated_at";
        values += ", " + now;
        set += (sessions ? ", sudo_at = " : ", authenticated_at = ") + now;
    }
    define_rotation(sql, layout, catalog, "$3", set, graced);
    sql.define("more_columns", columns);
    sql.define("more_values", values);
    sql.set(
        "authenticated_epoch",
        "pg_catalog.floor(" + epoch(sql.expand("{authenticated_now}")) + ")");
    return sql.expand(
        "WITH {account},"
        " own AS (SELECT {own_columns} FROM account a JOIN {sessions} t"
        " ON t.token {=} $4::{bytea} AND t.user_id {id=} a.id"
        " WHERE NOT {last_minute}), {taken}, {spare},"
        " named AS (SELECT {named_columns} FROM taken t UNION ALL"
        " SELECT {named_columns} FROM account a JOIN {sessions} t"
        " ON t.token {=} ANY (ARRAY[$4::{bytea}, $5::{bytea}])"
        " AND NOT t.user_id {id=} a.id),"
        " doomed AS ({kin} EXCEPT SELECT n.id FROM taken n), {gone}{notified},"
        " fresh AS (INSERT INTO {tokens} ({columns}{more_columns})"
        " SELECT {values}a.id, $3::{bytea}, {now}{more_values} FROM account a"
        " WHERE NOT EXISTS (SELECT FROM taken))"
        " SELECT EXISTS (SELECT FROM {sessions} t WHERE t.token {=} $5::{bytea}"
        " AND t.user_id {id=} a.id AND NOT EXISTS (SELECT FROM gone g"
        " WHERE g.id {key=} t.id) AND NOT EXISTS (SELECT FROM taken n"
        " WHERE n.id {key=} t.id)), {authenticated_epoch}"
        " FROM account a{heard}");
}

std::string logout_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$3", "$4");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout, "gone");
    return sql.expand(
        "WITH named AS (SELECT {named_columns} FROM {sessions} t"
        " WHERE t.token {=} ANY (ARRAY[$1::{bytea}, $2::{bytea}])),"
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
        " WHERE t.user_id {id=} $1::{text}::{id} UNION SELECT t.id"
        " FROM {sessions} t"
        " WHERE t.token {=} ANY (ARRAY[$2::{bytea}, $3::{bytea}])),"
        " {gone}{notified} SELECT g.hash FROM gone g{heard}");
}

// Of two concurrent renewals, the second finds that the token has changed.
std::string renew_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$4", "$5");
    define_old(sql, layout, "$1");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout,
                    "(SELECT {hash_of_old} AS hash FROM taken n UNION ALL"
                    " SELECT g.hash FROM gone g)");
    std::string set;
    if (catalog.has_authenticated_at) {
        set =
            (layout.kind == LayoutKind::sigra_sessions ? ", sudo_at"
                                                       : ", authenticated_at") +
            std::string(
                " = CASE WHEN $6::boolean THEN {authenticated_now}"
                " ELSE {authenticated} END");
    }
    define_rotation(sql, layout, catalog, "$2", set, "false");
    sql.set("unused",
            std::string(catalog.has_authenticated_at ? std::string_view()
                                                     : unused_boolean));
    return sql.expand(
        "WITH own AS (SELECT {own_columns} FROM {sessions} t"
        " WHERE t.token {=} $1::{bytea}{logged_in}{unused}), {taken},"
        " named AS (SELECT {named_columns} FROM taken t UNION ALL"
        " SELECT {named_columns} FROM taken n JOIN {sessions} t"
        " ON t.token {=} $3::{bytea} AND t.user_id {id=} n.user_id),"
        " doomed AS ({kin} EXCEPT SELECT n.id FROM taken n),"
        " {gone}{notified} {outcome}{heard}");
}

std::string reissue_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$4", "$5");
    define_old(sql, layout, "$1");
    define_kin(sql);
    define_gone(sql);
    define_notified(sql, layout,
                    "(SELECT {hash_of_old} AS hash FROM taken n UNION ALL"
                    " SELECT g.hash FROM gone g)");
    define_rotation(sql, layout, catalog, "$2", "", "true");
    sql.define("unlocked",
               catalog.may_lock_users
                   ? " JOIN LATERAL (SELECT FROM {users} u WHERE u.id {id=}"
                     " t.user_id FOR SHARE OF u SKIP LOCKED) u ON true"
                   : "");
    return sql.expand(
        "WITH own AS (SELECT {own_columns} FROM {sessions} t{unlocked}"
        " WHERE t.token {=} $1::{bytea}{logged_in} AND t.inserted_at {<=}"
        " ({clock} {-} pg_catalog.make_interval(secs => $3::integer))"
        " AND t.inserted_at {>} ({clock} {-} {grace})), {taken}, {spare},"
        " named AS (SELECT {named_columns} FROM taken t),"
        " doomed AS ({kin} EXCEPT SELECT n.id FROM taken n),"
        " {gone}{notified} {outcome}{heard}");
}

// The row is locked before the one with its old token is deleted, because two
// rows must not have the same token. A session that has changed since is left
// as it is.
std::string take_back_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_old(sql, layout, "$1");
    define_notified(sql, layout,
                    "(SELECT b.hash FROM back b UNION ALL"
                    " SELECT {hash_of_old} FROM back b)");
    sql.define("lost_hash", layout.kind == LayoutKind::phx_gen_auth
                                ? "pg_catalog.encode(pg_catalog.sha256("
                                  "$2::{bytea}), 'hex')"
                                : "pg_catalog.encode($2::{bytea}, 'hex')");
    sql.set("before",
            std::string("$3::timestamp") +
                (catalog.inserted_at_has_zone ? " AT TIME ZONE 'utc'" : ""));
    return sql.expand(
        "WITH held AS (SELECT t.id FROM {tokens} t"
        " WHERE t.{token} {=} $2::{bytea} AND {live} FOR UPDATE OF t),"
        " spare AS (DELETE FROM {tokens} t USING held h"
        " WHERE t.{token} {=} $1::{bytea} AND {live} RETURNING t.id),"
        " back AS (UPDATE {tokens} t SET {token} = $1::{bytea},"
        " inserted_at = {before} FROM held h WHERE t.id {key=} h.id"
        " AND (SELECT pg_catalog.count(*) FROM spare) {>=} 0"
        " RETURNING {lost_hash} AS hash){notified}"
        " SELECT b.hash FROM back b{heard}");
}

// The advisory lock lasts for the transaction. Its key is "SIGR" in the upper
// 32 bits, and the table's oid.
std::string prune_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_ttl(sql, catalog, "$1", "$2");
    define_gone(sql);
    define_notified(sql, layout, "gone");
    sql.set("table", quoted_literal(quoted_name(layout.tokens)));
    return sql.expand(
        "WITH turn AS MATERIALIZED (SELECT"
        " pg_catalog.pg_try_advisory_xact_lock(6001406395960786944 {+}"
        " {table}::pg_catalog.regclass::pg_catalog.oid::bigint) AS is_mine),"
        " doomed AS MATERIALIZED (SELECT t.id FROM turn, {tokens} t"
        " WHERE turn.is_mine AND {live} AND t.inserted_at {<} ({clock} {-}"
        " pg_catalog.make_interval(secs => {ttl})) LIMIT $3::integer"
        " FOR UPDATE OF t SKIP LOCKED),"
        " {gone}{notified} SELECT pg_catalog.count(*) FROM gone g{heard}");
}

}  // namespace sigra::postgres
