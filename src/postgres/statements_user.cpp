// Who wants to log in: the users row, before the password is looked at.
#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

// In a statement on the users table alone bare names are its columns. The
// email's type stays open: as text it would be compared with its case.
std::string found(const Layout& layout) {
    return " WHERE u.email = $1" +
           (layout.where.empty() ? "" : " AND " + condition(layout.where));
}

std::string user_columns(const Layout& layout) {
    return "u.id::text, u.email::text, u.hashed_password::text, " +
           (layout.second_factor.empty()
                ? "false"
                : condition(layout.second_factor) + " IS TRUE");
}

}  // namespace

std::string find_user_sql(const Layout& layout) {
    return "SELECT " + user_columns(layout) + ", true FROM " +
           quoted_name(layout.users) + " u" + found(layout) + " LIMIT 2";
}

// Who waits for the row's lock sees it as it then is, so that of many
// attempts at once each has a count of its own.
std::string attempt_sql(const Layout& layout, const Catalog& catalog) {
    if (!layout.lockout) {
        return "";
    }
    Template sql(layout, catalog);
    const std::string now = now_as(catalog.locked_at_has_zone);
    sql.set("now", now);
    sql.set("found", found(layout));
    sql.set("columns", user_columns(layout));
    sql.define("ends", "u.locked_at + make_interval(secs => $3::integer)");
    sql.define("count",
               "CASE WHEN {ends} > {now}"
               " THEN greatest(u.failed_login_attempts, $2::integer) + 1"
               " WHEN u.locked_at IS NOT NULL THEN 1"
               " ELSE u.failed_login_attempts + 1 END");
    return sql.expand(
        "UPDATE {users} u SET failed_login_attempts = {count}, locked_at ="
        " CASE WHEN {ends} > {now} THEN u.locked_at"
        " WHEN {count} >= $2::integer THEN date_trunc('second', {now}) END"
        "{found} RETURNING {columns}, u.failed_login_attempts <= $2::integer");
}

}  // namespace sigra::postgres
