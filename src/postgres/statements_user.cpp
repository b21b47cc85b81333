// Statements that find the users row of a login, before the password is
// checked.
#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

// Bare names in a condition are columns of the users table, because it is the
// only table of the statement. The parameter for the email has no cast, so that
// it takes the column's type.
// As text it would be compared case-sensitively even with a citext column.
void define_found(Template& sql, const Layout& layout) {
    sql.define("found", " WHERE u.email {email=} $1");
    sql.set("where",
            layout.where.empty() ? "" : " AND " + condition(layout.where));
    sql.set("second_factor",
            layout.second_factor.empty()
                ? "false"
                : condition(layout.second_factor) + " IS TRUE");
    sql.define("columns",
               "u.id::{text}, u.email::{text}, u.hashed_password::{text},"
               " {second_factor}");
}

}  // namespace

std::string find_user_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    define_found(sql, layout);
    return sql.expand(
        "SELECT {columns}, true FROM {users} u{found}{where} LIMIT 2");
}

// An UPDATE that waits for the row lock then sees the new version of the row,
// so concurrent attempts are all counted.
std::string attempt_sql(const Layout& layout, const Catalog& catalog) {
    if (!layout.lockout) {
        return "";
    }
    Template sql(layout, catalog);
    define_found(sql, layout);
    sql.set("now", now_as(catalog.locked_at_has_zone));
    sql.define("ends",
               "(u.locked_at {+} pg_catalog.make_interval(secs =>"
               " $3::integer))");
    sql.define("count",
               "CASE WHEN {ends} {>} {now}"
               " THEN greatest(u.failed_login_attempts, $2::integer) {+} 1"
               " WHEN u.locked_at IS NOT NULL THEN 1"
               " ELSE u.failed_login_attempts {+} 1 END");
    return sql.expand(
        "UPDATE {users} u SET failed_login_attempts = {count}, locked_at ="
        " CASE WHEN {ends} {>} {now} THEN u.locked_at WHEN ({count}) {>=}"
        " $2::integer THEN pg_catalog.date_trunc('second', {now}) END"
        "{found}{where} RETURNING {columns},"
        " u.failed_login_attempts {<=} $2::integer");
}

std::string forgive_sql(const Layout& layout, const Catalog& catalog) {
    if (!layout.lockout) {
        return "";
    }
    return Template(layout, catalog)
        .expand(
            "UPDATE {users} u SET failed_login_attempts ="
            " CASE WHEN $3::integer IS NULL THEN 0"
            " ELSE u.failed_login_attempts {-} 1 END,"
            " locked_at = CASE WHEN $3::integer {<} u.failed_login_attempts"
            " THEN u.locked_at END"
            " WHERE u.id {id=} $1::{text}::{id}"
            " AND u.hashed_password {=} $2::{text}"
            " AND u.failed_login_attempts {>} 0");
}

}  // namespace sigra::postgres
