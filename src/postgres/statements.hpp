// Every SQL statement of the three layouts, by name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"

namespace sigra::postgres {

enum class Statement {
    lookup,  // $1: the stored token, bytea. See SessionRow
    touch,   // $1: the stored token. last_active_at = now, at most each 5 min
};
inline constexpr std::size_t statement_count = 2;

// A write goes alone and is never repeated; a read may be.
[[nodiscard]] bool is_write(Statement statement);
[[nodiscard]] std::string_view name(Statement statement);

// What the server's catalog says of a layout's tables.
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

// Empty where the layout has no such statement.
[[nodiscard]] std::string sql(Statement statement, const Layout& layout,
                              const Catalog& catalog);

// A live or an aged session: the age is judged by the location that asks.
// Ages are the server's, in milliseconds; nginx's wall clock is never
// compared with the server's.
struct SessionRow {
    std::string user_id;
    std::string email;
    std::int64_t age_ms = 0;                       // since inserted_at
    std::optional<std::int64_t> authenticated_at;  // Unix seconds
    std::optional<std::int64_t> authenticated_age_ms;
    std::optional<std::int64_t> idle_ms;  // since last_active_at
    bool remember_me = false;             // the row's type in sigra_sessions
};
// nullopt: the row is not of the shape that lookup returns.
[[nodiscard]] std::optional<SessionRow> read_session(
    const std::vector<std::optional<std::string>>& row);

}  // namespace sigra::postgres
