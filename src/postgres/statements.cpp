#include "postgres/statements.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

using Rows = std::span<const std::vector<std::optional<std::string>>>;

constexpr std::string_view with_zone = "timestamp with time zone";
std::string lookup_sql(const Layout& layout, const Catalog& catalog) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    std::string authenticated = "NULL";
    if (catalog.has_authenticated_at) {
        authenticated = epoch(sessions ? "t.sudo_at" : "t.authenticated_at");
    }
    std::string sql =
        "SELECT u.id::text, u.email::text, " + epoch("statement_timestamp()") +
        ", " + epoch("t.inserted_at") + ", " + authenticated +
        (sessions
             ? ", " + epoch("t.last_active_at") + ", t.type = 'remember_me'"
             : ", NULL, false");
    // The condition stands in a subquery, so that its bare names are those of
    // the users row; the planner pulls it up. Its line feed ends a comment.
    sql += " FROM " + quoted_name(layout.tokens) +
           " t JOIN (SELECT u.id, u.email FROM " + quoted_name(layout.users) +
           " u" +
           (layout.where.empty() ? "" : " WHERE " + condition(layout.where)) +
           ") u ON u.id = t." + quoted_identifier(layout.singular + "_id");
    if (sessions) {
        return sql + " WHERE t.hashed_token = $1" + std::string(logged_in);
    }
    return sql + " WHERE t.token = $1 AND t.context = 'session'";
}

std::string touch_sql(const Layout& layout, const Catalog& catalog) {
    if (layout.kind != LayoutKind::sigra_sessions) {
        return "";
    }
    const std::string now = now_as(catalog.last_active_at_has_zone);
    const std::string tokens = quoted_name(layout.tokens);
    return "UPDATE " + tokens +
           " t SET last_active_at = date_trunc('second', " + now +
           ") WHERE t.hashed_token IN (SELECT t.hashed_token FROM " + tokens +
           " t WHERE t.hashed_token = ANY ($1::bytea[])"
           " AND t.last_active_at < " +
           now + " - interval '5 minutes'" + std::string(logged_in) +
           " FOR NO KEY UPDATE SKIP LOCKED)";
}

// A table's columns, as the rows of catalog_sql() have them.
class Table {
  public:
    Table(Rows rows, std::string_view side, const std::string& name,
          std::string& error)
        : rows_(rows), side_(side), name_(name), error_(error) {
        bool found = false;
        for (const auto& row : rows_) {
            found =
                found || (row.size() == 5 && row[0] == side_ && row[1] == "t");
        }
        if (!found) {
            complain("relation \"" + name_ + "\" does not exist");
        }
    }

    [[nodiscard]] const std::vector<std::optional<std::string>>* find(
        std::string_view column) const {
        for (const auto& row : rows_) {
            if (row.size() == 5 && row[0] == side_ && row[2] == column) {
                return &row;
            }
        }
        return nullptr;
    }
    [[nodiscard]] bool has(std::string_view column) const {
        return find(column) != nullptr;
    }
    // The column's type; a column that is missing is an error.
    std::string need(const std::string& column) {
        const auto* row = find(column);
        if (row) {
            return (*row)[3].value_or("");
        }
        complain("column \"" + column + "\" of relation \"" + name_ +
                 "\" does not exist");
        return "";
    }
    void need_type(const std::string& column, std::string_view type) {
        const std::string found = need(column);
        if (!found.empty() && found != type) {
            complain("column \"" + column + "\" of relation \"" + name_ +
                     "\" is " + found + ", not " + std::string(type));
        }
    }
    [[nodiscard]] bool has_zone(std::string_view column) const {
        const auto* row = find(column);
        return row && (*row)[3] == with_zone;
    }
    [[nodiscard]] bool has_default(std::string_view column) const {
        const auto* row = find(column);
        return row && (*row)[4] == "t";
    }

    void complain(std::string message) {
        if (error_.empty()) {
            error_ = std::move(message);
        }
    }

  private:
    Rows rows_;
    std::string_view side_;
    const std::string& name_;
    std::string& error_;
};

std::optional<double> number(const std::optional<std::string>& text) {
    double value = 0;
    if (!text) {
        return std::nullopt;
    }
    const char* end = text->data() + text->size();
    const auto [stop, code] = std::from_chars(text->data(), end, value);
    if (code != std::errc() || stop != end || std::isnan(value)) {
        return std::nullopt;
    }
    return value;
}

// A timestamp may be infinite, and what is reckoned with it has room.
std::int64_t clamped(double value) {
    constexpr auto bound = static_cast<double>(max_time);
    return static_cast<std::int64_t>(std::clamp(value, -bound, bound));
}

}  // namespace

bool is_write(Statement statement) {
    switch (statement) {
        case Statement::lookup:
        case Statement::find_user:
            return false;
        case Statement::touch:
        case Statement::attempt:
        case Statement::login:
        case Statement::logout:
        case Statement::logout_everywhere:
        case Statement::renew:
        case Statement::reissue:
            return true;
    }
    return true;
}

std::string_view name(Statement statement) {
    switch (statement) {
        case Statement::lookup:
            return "lookup";
        case Statement::touch:
            return "touch";
        case Statement::find_user:
            return "find_user";
        case Statement::attempt:
            return "attempt";
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
    }
    return "";
}

std::string quoted_identifier(std::string_view identifier) {
    std::string quoted = "\"";
    for (const char c : identifier) {
        quoted.append(c == '"' ? 2 : 1, c);
    }
    return quoted + '"';
}

std::string quoted_name(std::string_view name) {
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) {
        return quoted_identifier(name);
    }
    return quoted_identifier(name.substr(0, dot)) + "." +
           quoted_identifier(name.substr(dot + 1));
}

std::string_view catalog_sql() {
    return "SELECT r.side, r.oid IS NOT NULL, a.attname::text,"
           " format_type(a.atttypid, NULL),"
           " a.atthasdef OR a.attidentity <> ''"
           " FROM (VALUES ('u', to_regclass($1)), ('t', to_regclass($2)))"
           " r(side, oid) LEFT JOIN pg_catalog.pg_attribute a"
           " ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped";
}

std::optional<Catalog> read_catalog(const Layout& layout, Rows rows,
                                    std::string& error) {
    error.clear();
    Table users(rows, "u", layout.users, error);
    Table tokens(rows, "t", layout.tokens, error);
    Catalog catalog;
    catalog.id_type = users.need("id");
    users.need("email");
    catalog.has_lockout =
        users.has("failed_login_attempts") && users.has("locked_at");
    catalog.locked_at_has_zone = users.has_zone("locked_at");
    if (layout.lockout && !catalog.has_lockout) {
        users.complain(
            "a lockout needs the columns \"failed_login_attempts\""
            " and \"locked_at\" of relation \"" +
            layout.users + "\"");
    }
    catalog.token_id_type = tokens.need("id");
    catalog.token_id_has_default = tokens.has_default("id");
    tokens.need(layout.singular + "_id");
    tokens.need("inserted_at");
    catalog.inserted_at_has_zone = tokens.has_zone("inserted_at");
    if (layout.kind == LayoutKind::sigra_sessions) {
        tokens.need_type("hashed_token", "bytea");
        tokens.need("type");
        tokens.need("last_active_at");
        catalog.last_active_at_has_zone = tokens.has_zone("last_active_at");
        catalog.has_authenticated_at = tokens.has("sudo_at");
        catalog.sudo_at_has_zone = tokens.has_zone("sudo_at");
    } else {
        tokens.need_type("token", "bytea");
        tokens.need("context");
        catalog.has_authenticated_at = tokens.has("authenticated_at");
        catalog.authenticated_at_has_zone = tokens.has_zone("authenticated_at");
    }
    if (!error.empty()) {
        return std::nullopt;
    }
    return catalog;
}

std::string sql(Statement statement, const Layout& layout,
                const Catalog& catalog) {
    switch (statement) {
        case Statement::lookup:
            return lookup_sql(layout, catalog);
        case Statement::touch:
            return touch_sql(layout, catalog);
        case Statement::find_user:
            return find_user_sql(layout);
        case Statement::attempt:
            return attempt_sql(layout, catalog);
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
    }
    return "";
}

std::optional<SessionRow> read_session(
    const std::vector<std::optional<std::string>>& row) {
    if (row.size() != 7 || !row[0] || !row[6]) {
        return std::nullopt;
    }
    const auto now = number(row[2]);
    const auto inserted = number(row[3]);
    if (!now || !inserted) {
        return std::nullopt;
    }
    const auto age_ms = [&](double since) {
        return clamped(std::floor((*now - since) * 1000));
    };
    SessionRow session;
    session.user_id = *row[0];
    session.email = row[1].value_or("");
    session.age_ms = age_ms(*inserted);
    if (const auto authenticated = number(row[4])) {
        session.authenticated_at = clamped(std::floor(*authenticated));
        session.authenticated_age_ms = age_ms(*authenticated);
    }
    if (const auto active = number(row[5])) {
        session.idle_ms = age_ms(*active);
    }
    session.remember_me = *row[6] == "t";
    return session;
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
