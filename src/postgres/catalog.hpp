// What the server's catalog says of a layout's tables.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"

namespace sigra::postgres {

// The operators and functions of the statements are the catalog's own,
// whatever the role's search_path finds first.
inline constexpr std::string_view own_equals = "OPERATOR(pg_catalog.=)";

struct Catalog {
    std::string id_type;                // "bigint", "uuid", ... of users.id
    std::string token_id_type;          // of the tokens table's own id
    bool token_id_has_default = true;   // a uuid id from Ecto has none
    bool has_authenticated_at = false;  // sudo_at in sigra_sessions
    bool has_lockout = false;           // failed_login_attempts and locked_at
    bool inserted_at_has_zone = false;
    // Columns of type timestamptz among those that the statements use carry
    // a flag each; the statements compare in UTC either way.
    bool authenticated_at_has_zone = false;
    bool last_active_at_has_zone = false;
    bool sudo_at_has_zone = false;
    bool locked_at_has_zone = false;
    // The types' own, which need not be of pg_catalog: citext's is where the
    // extension is, and another one would compare the case as well.
    std::string id_equals{own_equals};
    std::string token_id_equals{own_equals};
    std::string email_equals{own_equals};
    // The role has the right to lock a users row: UPDATE on some column, and
    // no policy that would hide rows from whoever locks them.
    bool may_lock_users = false;
    // What works otherwise than the configuration hopes, a line each for the
    // log.
    std::vector<std::string> warnings;

    bool operator==(const Catalog&) const = default;
};

// As quote_ident() would, but always in quotes: the name is taken as it is.
[[nodiscard]] std::string quoted_identifier(std::string_view identifier);
// A table's name, whose first dot parts the schema from it.
[[nodiscard]] std::string quoted_name(std::string_view name);

// The query that reads the catalog ($1 the users table, $2 the tokens table,
// both quoted_name()s), and what its rows say. A table or column that is
// missing is a message for the log in `error`.
[[nodiscard]] std::string_view catalog_sql();
[[nodiscard]] std::optional<Catalog> read_catalog(
    const Layout& layout,
    std::span<const std::vector<std::optional<std::string>>> rows,
    std::string& error);

}  // namespace sigra::postgres
