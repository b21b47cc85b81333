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

// Tokens are parameters as the rows have them: bytea, binary; a token that is
// NULL names no row. `ttl` parameters are session_ttl in seconds, standard and
// remember_me, both in every layout: by them a row that was reissued finds the
// row in its grace (see reissue), which goes with it. What is deleted is
// notified on the layout's channel in the same transaction: each token's
// SHA-256 in lower-case hex, `*` for more than 1,000.
enum class Statement {
    lookup,  // $1: the stored token. See SessionRow
    // $1: stored tokens, a bytea[]. last_active_at = now, at most each 5 min.
    // A row that another has locked is left as it is
    touch,
    // $1: an email. Its users who meet `where`, two at most. See UserRow
    find_user,
    // The same, and counts the attempt before a hash is computed: $2 the
    // threshold, $3 the lock's seconds. UserRow::allowed is false beyond it
    attempt,
    // A new session for who has given a right password: $1 the user's id, $2
    // the hash that was verified, $3 the new token, $4 the token of the session
    // that it replaces, $5 the token of the remember-me cookie, which goes
    // where it is another user's, $6 and $7 the ttl, $8 a better hash or NULL;
    // in sigra_sessions $9 type, $10 ip, $11 user agent. Resets the count of
    // attempts. No row where the user is gone, does not meet `where` or has
    // another hash by now; else one: is the remember-me cookie's row the
    // user's own and still there ('t' or 'f'), and authenticated_at in Unix
    // seconds
    login,
    // $1 and $2: tokens, $3 and $4 the ttl. The rows go, and their kin in
    // grace. Returns what was deleted, one row each: the token's SHA-256 as
    // hex
    logout,
    // $1 the user's id, $2 and $3: tokens. All of the user's sessions, and the
    // rows of the tokens. Returns as logout does
    logout_everywhere,
    // $1 the old token, $2 the new one, $3 the remember-me cookie's or NULL,
    // $4 and $5 the ttl, $6 is the user authenticated anew ('t', 'f'). The new
    // row is the old one with a new token and age; the old one goes, and the
    // remember-me cookie's where it is the same user's. One row, or none where
    // the old one is gone: authenticated_at in Unix seconds or NULL, the type
    // ('standard' where the layout has none)
    renew,
    // $1 the old token, $2 the new one, $3 the age in seconds from which a row
    // is reissued, $4 and $5 the ttl. Shortens the old row to 60 s of life and
    // inserts the new one; returns as renew does, none where another was first
    // or the row is in its grace
    reissue,
};
inline constexpr std::size_t statement_count = 9;

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
    bool locked_at_has_zone = false;

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

// No time of a SessionRow is further off, in its own unit: three million years
// in milliseconds, for a timestamp that is infinite.
inline constexpr std::int64_t max_time = 100'000'000'000'000'000;

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

struct UserRow {
    std::string id;
    std::string email;
    std::optional<std::string> hashed_password;
    bool second_factor = false;
    bool allowed = true;  // not locked: the password is to be looked at
};
// nullopt: the row is not of the shape that find_user and attempt return.
[[nodiscard]] std::optional<UserRow> read_user(
    const std::vector<std::optional<std::string>>& row);

}  // namespace sigra::postgres
