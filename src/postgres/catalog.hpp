// What the server's catalog says about a layout's tables.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"

namespace sigra::postgres {

// The statements use operators and functions of pg_catalog by qualified names,
// so that the role's search_path cannot put others in their place.
inline constexpr std::string_view own_equals = "OPERATOR(pg_catalog.=)";

struct Catalog {
    std::string id_type;                // "bigint", "uuid", ... of users.id
    std::string token_id_type;          // of the tokens table's own id
    bool token_id_has_default = true;   // Ecto's uuid ids have none
    bool has_authenticated_at = false;  // sudo_at in sigra_sessions
    bool has_lockout = false;           // failed_login_attempts and locked_at
    // Whether the column is timestamptz. The statements compare in UTC for
    // either type.
    bool inserted_at_has_zone = false;
    bool authenticated_at_has_zone = false;
    bool last_active_at_has_zone = false;
    bool sudo_at_has_zone = false;
    bool locked_at_has_zone = false;
    // The equality operators of the columns' types. That of citext is in the
    // schema of the extension; the one in pg_catalog would compare the case.
    std::string id_equals{own_equals};
    std::string token_id_equals{own_equals};
    std::string email_equals{own_equals};
    // The role may lock a users row: it has UPDATE on some column, and row
    // security, which could hide rows that are locked, is not active.
    bool may_lock_users = false;
    // Problems that the configuration will have with these tables, one line
    // each for the log.
    std::vector<std::string> warnings;

    bool operator==(const Catalog&) const = default;
};

// As quote_ident() does, but always with quotes.
[[nodiscard]] std::string quoted_identifier(std::string_view identifier);
// Quotes a table's name; the first dot separates schema and table.
[[nodiscard]] std::string quoted_name(std::string_view name);

// The query that reads the catalog. $1 is the users table, $2 the tokens
// table, both as quoted_name() returns them.
[[nodiscard]] std::string_view catalog_sql();
// Reads the rows of catalog_sql(). Returns nullopt, and a message for the log
// in `error`, if a table or a column is missing or has the wrong type.
[[nodiscard]] std::optional<Catalog> read_catalog(
    const Layout& layout,
    std::span<const std::vector<std::optional<std::string>>> rows,
    std::string& error);

}  // namespace sigra::postgres
