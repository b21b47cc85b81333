// Where the users and their sessions are kept: what the configuration says,
// and what the server's catalog says of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sigra::postgres {

inline constexpr std::size_t max_conditions = 64;
inline constexpr std::size_t max_attributes = 32;

enum class LayoutKind { sigra, phx_gen_auth, sigra_sessions };

// As configured. A name may carry a schema ("auth.users"); it is taken as it
// stands, case kept, and quoted as an SQL identifier by the statements.
struct Layout {
    LayoutKind kind = LayoutKind::sigra;
    std::string users = "users";
    std::string tokens = "users_tokens";  // sigra_sessions: user_sessions
    std::string singular = "user";        // the foreign key: user_id
    std::string where;                    // SQL on the users row u, or empty
    // Not empty: of API tokens of that context, whose rows have the SHA-256 and
    // the email that they were given out to, and of no sessions. `kind` is
    // sigra, whatever the sessions' is.
    std::string context;
    // What follows concerns logins and revocations alone; another one of these
    // is the same verdict on a session.
    std::string second_factor;  // SQL on the users row u, or empty
    bool lockout = false;       // attempts are counted in the users row
    bool rehash = false;        // a login may store a better hash
    bool sudo = false;          // some location asks how fresh a login is
    std::string channel;        // NOTIFY of what is deleted; empty: none
    // What every lookup answers beside who it is, in their order: SQL on the
    // users row u. An empty one is not evaluated.
    std::vector<std::string> conditions;
    std::vector<std::string> attributes;  // of any type; read as text

    [[nodiscard]] bool has_facts() const {
        return !conditions.empty() || !attributes.empty();
    }
    bool operator==(const Layout&) const = default;
};

}  // namespace sigra::postgres
