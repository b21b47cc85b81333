// The SQL statements of the three layouts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/catalog.hpp"
#include "postgres/layout.hpp"

namespace sigra::postgres {

// Tokens are parameters as they are stored: bytea, in binary format. A token
// that is NULL matches no row. The two `ttl` parameters are session_ttl in
// seconds, standard and remember_me, in every layout.
//
// The "kin" of a session's row is the row that keeps its old token for a grace
// of 60 s after it took a new one (see reissue), and the other way round. It is
// found by means of the ttl, and is deleted together with the row. For each row
// that is deleted, the same transaction sends a notification on the layout's
// channel: the token's SHA-256 in lower-case hex, or `*` for more than 1,000
// rows.
enum class Statement {
    // $1: the stored token. Returns the session; see SessionRow.
    lookup,
    // The same for a layout with facts, and a row whose lookup has failed.
    // $2 and $3: the conditions and the attributes to evaluate, as bit masks.
    lookup_part,
    // $1: stored tokens, a bytea[]. Returns the rows of a lookup for each, with
    // one more column at the end: the token's position, from 1. Used only by
    // the pool, to combine lookups.
    lookup_many,
    // $1: stored tokens, a bytea[]. Sets last_active_at to now if it is more
    // than 5 minutes old. Skips rows that are locked.
    touch,
    // $1: an email. Returns the users with it who meet `where`, two at most;
    // see UserRow.
    find_user,
    // The same, and counts a login attempt, before any hash is computed.
    // $2: the threshold, $3: how long the lock lasts, in seconds. Beyond the
    // threshold, UserRow::allowed is false.
    attempt,
    // $1: the user's id, $2: the hash that was verified. With $3 NULL, resets
    // the count after a right password that `login` does not follow. With $3
    // the threshold, takes back an attempt whose password was not checked, and
    // removes the lock if this attempt has set it.
    forgive,
    // Creates a session after a right password. $1: the user's id, $2: the hash
    // that was verified, $3: the new token, $4: the token of the session that
    // is replaced, $5: the token of the remember-me cookie, $6 and $7: the ttl,
    // $8: a better hash or NULL; for sigra_sessions also $9: type, $10: ip,
    // $11: user agent. Resets the count of attempts. If the replaced session is
    // the same user's, its row takes the new token, and the old one stays valid
    // for 60 s, as in reissue. Sessions of $4 and $5 that are another user's
    // are deleted. Returns no row if the user is gone, does not meet `where` or
    // has another hash by now. Otherwise one row: whether the row of the
    // remember-me cookie is the user's own and still exists ('t' or 'f'), and
    // authenticated_at in Unix seconds.
    login,
    // $1 and $2: tokens, $3 and $4: the ttl. Deletes their rows, and their kin.
    // Returns a row for each one deleted: the token's SHA-256 in hex.
    logout,
    // $1: the user's id, $2 and $3: tokens. Deletes all sessions of the user,
    // and the rows of the tokens. Returns the same as logout.
    logout_everywhere,
    // $1: the old token, $2: the new one, $3: that of the remember-me cookie or
    // NULL, $4 and $5: the ttl, $6: whether the user has authenticated again
    // ('t' or 'f'). The row takes the new token, and its age starts again. Its
    // kin is deleted, and the row of the remember-me cookie if it is the same
    // user's. Returns no row if the old token is gone. Otherwise one row:
    // authenticated_at in Unix seconds or NULL, the type ('standard' if the
    // layout has none), and the old inserted_at, for take_back.
    renew,
    // $1: the old token, $2: the new one, $3: the age in seconds from which a
    // row is reissued, $4 and $5: the ttl. As renew, but another row keeps the
    // old token for 60 s. Returns no row if another request was first, if the
    // row is itself in its grace, or if the users row is locked.
    reissue,
    // $1: the old token, $2: the new one, $3: the old inserted_at. Undoes a
    // renew or a reissue whose new token could not be delivered, but leaves
    // authenticated_at. Returns one row, the new token's hash as in logout, or
    // none if the session has changed again or is gone.
    take_back,
    // $1 and $2: the ttl, $3: the largest number of rows. Deletes rows of
    // expired sessions, but none while another prune does. Returns how many.
    prune,
    // $1: the user's id, $2: the token of the request or NULL, $3 and $4: the
    // ttl, $5: idle_timeout in seconds, 0 for none. Returns the user's live
    // sessions, newest first, max_listed at most; see ListedSession.
    list_sessions,
    // $1: the user's id, $2: the id of a session's row as text, $3 and $4: the
    // ttl. Deletes the row, and its kin. Returns the same as logout; no row if
    // the user has no such session.
    end_session,
};
inline constexpr std::size_t statement_count = 16;

// A write is sent alone, and repeated only if the server says that it was not
// executed. A read may be repeated.
[[nodiscard]] bool is_write(Statement statement);
// True for statements that are executed twice under one sync, and whose rows
// are put together. The first execution may wait for another transaction to
// commit; only the second sees the rows that it inserted.
[[nodiscard]] bool is_sent_twice(Statement statement);
// True for the lookups: their rows are requested in binary format, which costs
// less to write and to read. All others' rows are text.
[[nodiscard]] bool has_binary_rows(Statement statement);
[[nodiscard]] std::string_view name(Statement statement);
// True if the SQLSTATE says that the database's encoding cannot store the email
// that was looked up, so that no such user exists. Anybody may type such an
// email, so it is no error.
[[nodiscard]] bool means_unknown(Statement statement,
                                 std::string_view sqlstate);

// Empty if the layout has no such statement.
[[nodiscard]] std::string sql(Statement statement, const Layout& layout,
                              const Catalog& catalog);

// All times of a SessionRow are clamped to this value in their own unit,
// because a timestamp may be infinite. In milliseconds it is three million
// years.
inline constexpr std::int64_t max_time = 100'000'000'000'000'000;

// A session that exists; whether it has expired is decided by the rules of the
// location. Ages are computed from the server's clock, because nginx's may
// differ from it.
struct SessionRow {
    std::string user_id;
    std::string email;
    std::int64_t age_ms = 0;                       // since inserted_at
    std::optional<std::int64_t> authenticated_at;  // Unix seconds
    std::optional<std::int64_t> authenticated_age_ms;
    std::optional<std::int64_t> idle_ms;  // since last_active_at
    bool remember_me = false;             // the row's type in sigra_sessions
    // A bit for each of the layout's conditions: it holds; it was evaluated,
    // which needs that it is valid and was asked for.
    std::uint64_t met = 0;
    std::uint64_t judged = 0;
    std::uint32_t readable = 0;  // the attributes that were evaluated
    std::vector<std::optional<std::string>> attributes;
};
// Reads an int8 or the bits of a float8 in binary format. Returns nullopt if it
// is not eight bytes.
[[nodiscard]] std::optional<std::uint64_t> binary_number(
    std::string_view field);

// Returns nullopt if the row does not have the columns of lookup.
[[nodiscard]] std::optional<SessionRow> read_session(
    std::vector<std::optional<std::string>> row);

struct UserRow {
    std::string id;
    std::string email;
    std::optional<std::string> hashed_password;
    bool second_factor = false;
    bool allowed = true;  // not locked: the password may be checked
};
// Returns nullopt if the row does not have the columns of find_user.
[[nodiscard]] std::optional<UserRow> read_user(
    const std::vector<std::optional<std::string>>& row);

inline constexpr std::size_t max_listed = 100;

// Times are in Unix seconds.
struct ListedSession {
    std::string id;  // of its row, as text
    std::int64_t created_at = 0;
    std::int64_t expires_at = 0;
    std::optional<std::int64_t> authenticated_at;
    // Only in the layout sigra_sessions.
    std::optional<std::int64_t> last_active_at;
    std::optional<std::string> ip;
    std::optional<std::string> user_agent;
    bool is_own = false;  // the session of the request
};
// Returns nullopt if the row does not have the columns of list_sessions.
[[nodiscard]] std::optional<ListedSession> read_listed(
    const std::vector<std::optional<std::string>>& row);

// The bits as a parameter of lookup_part.
[[nodiscard]] std::string bits_parameter(std::uint64_t bits);
// A statement that fails if a condition or an attribute is invalid with the
// layout's tables. It reads no row.
[[nodiscard]] std::string condition_check_sql(const Layout& layout,
                                              const Catalog& catalog,
                                              const std::string& condition);
[[nodiscard]] std::string attribute_check_sql(const Layout& layout,
                                              const Catalog& catalog,
                                              const std::string& expression);

}  // namespace sigra::postgres
