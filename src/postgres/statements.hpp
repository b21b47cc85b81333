// Every SQL statement of the three layouts, by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/catalog.hpp"
#include "postgres/layout.hpp"

namespace sigra::postgres {

// Tokens are parameters as the rows have them: bytea, binary; a token that is
// NULL names no row. `ttl` parameters are session_ttl in seconds, standard and
// remember_me, both in every layout: by them a row that was reissued finds the
// row in its grace (see reissue), which goes with it. What is deleted is
// notified on the layout's channel in the same transaction: each token's
// SHA-256 in lower-case hex, `*` for more than 1,000.
enum class Statement {
    // $1: the stored token. See SessionRow
    lookup,
    // The same where the layout has facts; $2 and $3: which of its conditions
    // and attributes are to be evaluated, a bit each. For a row for which the
    // lookup of all has failed
    lookup_part,
    // $1: stored tokens, a bytea[]. The rows of a lookup of each, with one
    // column more at the end: which of them, from 1 on. The pool's own, which
    // puts lookups together
    lookup_many,
    // $1: stored tokens, a bytea[]. last_active_at = now, at most each 5 min.
    // A row that another has locked is left as it is
    touch,
    // $1: an email. Its users who meet `where`, two at most. See UserRow
    find_user,
    // The same, and counts the attempt before a hash is computed: $2 the
    // threshold, $3 the lock's seconds. UserRow::allowed is false beyond it
    attempt,
    // Resets that count for who has given a right password and is not logged
    // in by `login`: $1 the user's id, $2 the hash that was verified, $3 NULL.
    // Or takes one attempt back, whose password was not looked at: $3 the
    // threshold, so that the lock goes that this attempt has set
    forgive,
    // A session for who has given a right password: $1 the user's id, $2 the
    // hash that was verified, $3 the new token, $4 the token of the session
    // that it replaces, $5 the token of the remember-me cookie, which goes
    // where it is another user's, $6 and $7 the ttl, $8 a better hash or NULL;
    // in sigra_sessions $9 type, $10 ip, $11 user agent. Resets the count of
    // attempts. The session that it replaces takes the new token where it is
    // the same user's, and the old one is good for 60 s more, as in reissue;
    // another's goes. No row where the user is gone, does not meet `where` or
    // has another hash by now; else one: is the remember-me cookie's row the
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
    // $4 and $5 the ttl, $6 is the user authenticated anew ('t', 'f'). The row
    // takes the new token and a new age; kin in grace goes, and the remember-me
    // cookie's row where it is the same user's. One row, or none where the old
    // token is gone: authenticated_at in Unix seconds or NULL, the type
    // ('standard' where the layout has none), and the old inserted_at for
    // take_back
    renew,
    // $1 the old token, $2 the new one, $3 the age in seconds from which a row
    // is reissued, $4 and $5 the ttl. The row takes the new token and a new
    // age, and another keeps the old one for 60 s; returns as renew does, none
    // where another was first, the row is in its grace, or somebody holds the
    // users row just now
    reissue,
    // $1 the old token, $2 the new one, $3 the old inserted_at: what renew or
    // reissue has done is undone, for nobody was left to hear of the new
    // token. authenticated_at stays. One row, the new token's hash as in
    // logout, or none where the session has gone on or is gone
    take_back,
    // $1 and $2 the ttl, $3 how many at most. Deletes rows of sessions that
    // have expired; none while another does. One row: how many it were
    prune,
    // $1 the user's id, $2 the asker's token or NULL, $3 and $4 the ttl, $5
    // idle_timeout in seconds, 0 for none. The user's live sessions, newest
    // first, max_listed at most. See ListedSession
    list_sessions,
    // $1 the user's id, $2 the id of a session's row as text, $3 and $4 the
    // ttl. The row goes, and its kin in grace. Returns as logout does; none
    // where the user has no such session
    end_session,
};
inline constexpr std::size_t statement_count = 16;

// A write goes alone, and is repeated only where the server says that it has
// not happened; a read may be repeated.
[[nodiscard]] bool is_write(Statement statement);
// Executed twice under one sync, the rows of both together: what the first has
// waited for to be committed, the second sees.
[[nodiscard]] bool is_sent_twice(Statement statement);
[[nodiscard]] std::string_view name(Statement statement);
// Whether the SQLSTATE says that the database cannot hold what was asked for:
// there is no such row then. Only of an email, which anybody may have typed.
[[nodiscard]] bool means_unknown(Statement statement,
                                 std::string_view sqlstate);

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
    // A bit for each of the layout's conditions that holds, and for each that
    // was evaluated: it parses, and was asked for.
    std::uint64_t met = 0;
    std::uint64_t judged = 0;
    std::uint32_t readable = 0;  // the same of its attributes
    std::vector<std::optional<std::string>> attributes;
};
// nullopt: the row is not of the shape that lookup returns.
[[nodiscard]] std::optional<SessionRow> read_session(
    std::vector<std::optional<std::string>> row);

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

inline constexpr std::size_t max_listed = 100;

// Times are in Unix seconds.
struct ListedSession {
    std::string id;  // its row's
    std::int64_t created_at = 0;
    std::int64_t expires_at = 0;
    std::optional<std::int64_t> authenticated_at;
    // What the layout sigra_sessions has.
    std::optional<std::int64_t> last_active_at;
    std::optional<std::string> ip;
    std::optional<std::string> user_agent;
    bool is_own = false;  // of the asker's token, or its kin in grace
};
// nullopt: the row is not of the shape that list_sessions returns.
[[nodiscard]] std::optional<ListedSession> read_listed(
    const std::vector<std::optional<std::string>>& row);

// The parameter that asks for these bits.
[[nodiscard]] std::string bits_parameter(std::uint64_t bits);
// What tells whether a condition or an attribute of a layout means anything: a
// statement that reads no row.
[[nodiscard]] std::string condition_check_sql(const Layout& layout,
                                              const Catalog& catalog,
                                              const std::string& condition);
[[nodiscard]] std::string attribute_check_sql(const Layout& layout,
                                              const Catalog& catalog,
                                              const std::string& expression);

}  // namespace sigra::postgres
