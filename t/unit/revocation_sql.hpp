// Loads examples/revocation.sql for its tests, for each layout.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench.hpp"
#include "postgres/layout.hpp"
#include "unit.hpp"

namespace sigra::test::revocation {

using Payloads = std::vector<std::string>;

struct Case {
    const char* file;
    postgres::LayoutKind kind;
    const char* id;
};
inline constexpr Case cases[] = {
    {"sigra", postgres::LayoutKind::sigra, "bigint"},
    {"sigra", postgres::LayoutKind::sigra, "uuid"},
    {"phx_gen_auth", postgres::LayoutKind::phx_gen_auth, "bigint"},
    {"phx_gen_auth", postgres::LayoutKind::phx_gen_auth, "uuid"},
    {"phx_gen_auth_17", postgres::LayoutKind::phx_gen_auth, "bigint"},
    {"sigra_sessions", postgres::LayoutKind::sigra_sessions, "bigint"},
    {"sigra_sessions", postgres::LayoutKind::sigra_sessions, "uuid"},
};

// The tables of a case with ten users and their sessions, and a database
// session that listens. Notifications of its own statements arrive with their
// results.
class Tables {
  public:
    Tables(const std::string& database, const Case& of)
        : in_sessions(of.kind == postgres::LayoutKind::sigra_sessions),
          has_lockout(of.kind != postgres::LayoutKind::phx_gen_auth),
          tokens(in_sessions ? "user_sessions" : "users_tokens"),
          column(in_sessions ? "hashed_token" : "token"),
          name_(std::string(of.file) + " " + of.id),
          is_raw_(of.kind == postgres::LayoutKind::phx_gen_auth) {
        fresh_database(database);
        load_schema(database, of.file, std::string("-v id=") + of.id);
        const std::string schema = is_raw_ ? "phx_gen_auth" : of.file;
        for (int time = 0; time < 2; time++) {
            load_revocation(database, "-v schema=" + schema);
        }
        session_ = std::make_unique<Session>(database);
        if (std::string_view(of.id) == "uuid") {
            for (const std::string& table : {std::string("users"), tokens}) {
                session_->run("ALTER TABLE " + table +
                              " ALTER id SET DEFAULT gen_random_uuid()");
            }
        }
        session_->run("LISTEN auth_sigra_revoked");
        add_sessions(*session_, 10, in_sessions);
        unit::check(session_->notified().empty(), name_ + ": an INSERT");
    }

    // Checks that a statement sends exactly these notifications, in any order.
    void says(const std::string& sql, Payloads expected) {
        session_->run(sql);
        Payloads actual = session_->notified();
        std::sort(actual.begin(), actual.end());
        std::sort(expected.begin(), expected.end());
        const auto first = [](const Payloads& all) {
            return std::to_string(all.size()) +
                   (all.empty() ? "" : ": " + all[0]);
        };
        unit::check(actual == expected, name_ + ": " + sql + ": " +
                                            first(actual) + ", expected " +
                                            first(expected));
    }

    std::string hash(int number) {
        return session_->value("SELECT encode(" +
                               std::string(is_raw_ ? "sha256" : "") + "(" +
                               token_sql(number) + "::bytea), 'hex')");
    }
    // The id of the user with that number.
    std::string id(const std::string& number) {
        return session_->value("SELECT id FROM users WHERE email = '" + number +
                               "@example.com'");
    }
    std::string user(const std::string& number) { return "user:" + id(number); }
    std::string where(int number) {
        return " WHERE " + column + " = " + token_sql(number);
    }
    // Adds sessions of the first user.
    void add(int count) {
        session_->run(
            "INSERT INTO " + tokens + " (user_id, " + column +
            ", inserted_at, " + (in_sessions ? "last_active_at" : "context") +
            ") SELECT '" + id("1") + "', sha256(i::text::bytea), now(), " +
            (in_sessions ? "now()" : "'session'") +
            " FROM generate_series(1, " + std::to_string(count) + ") i");
    }
    Session& session() { return *session_; }

    const bool in_sessions;
    const bool has_lockout;
    const std::string tokens;
    const std::string column;

  private:
    std::string name_;
    bool is_raw_;
    std::unique_ptr<Session> session_;
};

}  // namespace sigra::test::revocation
