// Where users and sessions are stored, as the configuration says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sigra::postgres {

inline constexpr std::size_t max_conditions = 64;
inline constexpr std::size_t max_attributes = 32;

enum class LayoutKind { sigra, phx_gen_auth, sigra_sessions };

// A table name may have a schema ("auth.users"). Names are case-sensitive; the
// statements quote them as SQL identifiers.
struct Layout {
    LayoutKind kind = LayoutKind::sigra;
    std::string users = "users";
    std::string tokens = "users_tokens";  // sigra_sessions: user_sessions
    std::string singular = "user";        // the foreign key: user_id
    std::string where;                    // SQL on the users row u, or empty
    // If not empty, the layout is for API tokens of this context, not for
    // sessions. Their rows hold the token's SHA-256 and, in sent_to, the email
    // of the user at that time. `kind` is sigra, even if that of the sessions
    // is another.
    std::string context;
    // The following affect logins and revocations only. Layouts that differ
    // only in them give the same verdict on a session.
    std::string second_factor;  // SQL on the users row u, or empty
    bool lockout = false;       // attempts are counted in the users row
    bool rehash = false;        // a login may store a better hash
    bool sudo = false;          // some location uses auth_sigra_sudo
    std::string channel;        // NOTIFY on it for deleted rows; empty: no
    // The facts: SQL expressions on the users row u, which each lookup returns
    // in this order. An empty one is not evaluated.
    std::vector<std::string> conditions;
    std::vector<std::string> attributes;  // of any type; read as text

    [[nodiscard]] bool has_facts() const {
        return !conditions.empty() || !attributes.empty();
    }
    bool operator==(const Layout&) const = default;
};

}  // namespace sigra::postgres
