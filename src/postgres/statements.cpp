#include "postgres/statements.hpp"

#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

std::string touch_sql(const Layout& layout, const Catalog& catalog) {
    if (layout.kind != LayoutKind::sigra_sessions) {
        return "";
    }
    Template sql(layout, catalog);
    sql.set("stamp", now_as(catalog.last_active_at_has_zone));
    return sql.expand(
        "UPDATE {tokens} t SET last_active_at ="
        " pg_catalog.date_trunc('second', {stamp}) WHERE t.{token} {=} ANY"
        " (SELECT t.{token} FROM {tokens} t"
        " WHERE t.{token} {=} ANY ($1::{bytea}[]) AND t.last_active_at {<}"
        " ({stamp} {-} interval '5 minutes'){logged_in}"
        " FOR NO KEY UPDATE SKIP LOCKED)");
}

}  // namespace

bool is_write(Statement statement) {
    switch (statement) {
        case Statement::lookup:
        case Statement::lookup_part:
        case Statement::lookup_many:
        case Statement::find_user:
        case Statement::list_sessions:
            return false;
        case Statement::touch:
        case Statement::attempt:
        case Statement::forgive:
        case Statement::login:
        case Statement::logout:
        case Statement::logout_everywhere:
        case Statement::renew:
        case Statement::reissue:
        case Statement::take_back:
        case Statement::prune:
        case Statement::end_session:
            return true;
    }
    return true;
}

bool is_sent_twice(Statement statement) {
    return statement == Statement::logout ||
           statement == Statement::logout_everywhere ||
           statement == Statement::end_session;
}

bool has_binary_rows(Statement statement) {
    return statement == Statement::lookup ||
           statement == Statement::lookup_part ||
           statement == Statement::lookup_many;
}

// untranslatable_character, character_not_in_repertoire.
bool means_unknown(Statement statement, std::string_view sqlstate) {
    return (statement == Statement::find_user ||
            statement == Statement::attempt) &&
           (sqlstate == "22P05" || sqlstate == "22021");
}

std::string_view name(Statement statement) {
    switch (statement) {
        case Statement::lookup:
            return "lookup";
        case Statement::lookup_part:
            return "lookup_part";
        case Statement::lookup_many:
            return "lookup_many";
        case Statement::touch:
            return "touch";
        case Statement::find_user:
            return "find_user";
        case Statement::attempt:
            return "attempt";
        case Statement::forgive:
            return "forgive";
        case Statement::login:
            return "login";
        case Statement::logout:
            return "logout";
        case Statement::logout_everywhere:
            return "logout_everywhere";
        case Statement::renew:
            return "renew";
        case Statement::reissue:
            return "reissue";
        case Statement::take_back:
            return "take_back";
        case Statement::prune:
            return "prune";
        case Statement::list_sessions:
            return "list_sessions";
        case Statement::end_session:
            return "end_session";
    }
    return "";
}

std::string sql(Statement statement, const Layout& layout,
                const Catalog& catalog) {
    switch (statement) {
        case Statement::lookup:
            return lookup_sql(layout, catalog);
        case Statement::lookup_part:
            return lookup_part_sql(layout, catalog);
        case Statement::lookup_many:
            return lookup_many_sql(layout, catalog);
        case Statement::touch:
            return touch_sql(layout, catalog);
        case Statement::find_user:
            return find_user_sql(layout, catalog);
        case Statement::attempt:
            return attempt_sql(layout, catalog);
        case Statement::forgive:
            return forgive_sql(layout, catalog);
        case Statement::login:
            return login_sql(layout, catalog);
        case Statement::logout:
            return logout_sql(layout, catalog);
        case Statement::logout_everywhere:
            return logout_everywhere_sql(layout, catalog);
        case Statement::renew:
            return renew_sql(layout, catalog);
        case Statement::reissue:
            return reissue_sql(layout, catalog);
        case Statement::take_back:
            return take_back_sql(layout, catalog);
        case Statement::prune:
            return prune_sql(layout, catalog);
        case Statement::list_sessions:
            return list_sessions_sql(layout, catalog);
        case Statement::end_session:
            return end_session_sql(layout, catalog);
    }
    return "";
}

std::optional<UserRow> read_user(
    const std::vector<std::optional<std::string>>& row) {
    if (row.size() != 5 || !row[0] || !row[3] || !row[4]) {
        return std::nullopt;
    }
    UserRow user;
    user.id = *row[0];
    user.email = row[1].value_or("");
    user.hashed_password = row[2];
    user.second_factor = *row[3] == "t";
    user.allowed = *row[4] == "t";
    return user;
}

}  // namespace sigra::postgres
