#include "statements_cases.hpp"

#include <bit>
#include <cstdint>

#include "unit.hpp"

namespace sigra::test {

using postgres::catalog_sql;
using postgres::quoted_name;
using unit::check;

const std::vector<Case> cases = {
    {"sigra", LayoutKind::sigra, "sigra", "bigint", false},
    {"sigra, uuid", LayoutKind::sigra, "sigra", "uuid", false},
    {"sigra, timestamptz", LayoutKind::sigra, "sigra", "bigint", true},
    {"1.8", LayoutKind::phx_gen_auth, "phx_gen_auth", "bigint", false},
    {"1.8, uuid", LayoutKind::phx_gen_auth, "phx_gen_auth", "uuid", true},
    {"1.7", LayoutKind::phx_gen_auth, "phx_gen_auth_17", "bigint", false},
    {"sessions", LayoutKind::sigra_sessions, "sigra_sessions", "bigint", false},
    {"sessions, uuid", LayoutKind::sigra_sessions, "sigra_sessions", "uuid",
     false},
    {"sessions, timestamptz", LayoutKind::sigra_sessions, "sigra_sessions",
     "bigint", true},
};

bool is_sessions(const Layout& layout) {
    return layout.kind == LayoutKind::sigra_sessions;
}

Layout layout_of(const Case& a) {
    Layout layout;
    layout.kind = a.kind;
    if (is_sessions(layout)) {
        layout.tokens = "user_sessions";
    }
    return layout;
}

Catalog catalog_of(Session& session, const Layout& layout, std::string* error) {
    const auto literal = [](const std::string& name) {
        std::string quoted = "'";
        for (const char c : quoted_name(name)) {
            quoted.append(c == '\'' ? 2 : 1, c);
        }
        return quoted + "'";
    };
    std::string text(catalog_sql());
    text.replace(text.find("$1"), 2, literal(layout.users));
    text.replace(text.find("$2"), 2, literal(layout.tokens));
    std::string why;
    const auto catalog = read_catalog(layout, session.run(text), why);
    if (error) {
        *error = why;
    } else {
        check(catalog.has_value(), why);
    }
    return catalog.value_or(Catalog());
}

void add_zones(Session& session, const Layout& layout) {
    for (const char* column :
         {"inserted_at", "authenticated_at", "last_active_at", "sudo_at"}) {
        const std::string there = session.value(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = '" +
            layout.tokens + "'::regclass AND attname = '" + column + "'");
        if (there == "1") {
            session.run("ALTER TABLE " + layout.tokens + " ALTER " + column +
                        " TYPE timestamptz USING " + column +
                        " AT TIME ZONE 'utc'");
        }
    }
}

void add_user(Session& session, const Case& a, const std::string& email) {
    const std::string id =
        std::string(a.id) == "uuid" ? "gen_random_uuid()" : "DEFAULT";
    session.run(
        "INSERT INTO users (id, email, hashed_password, inserted_at,"
        " updated_at) VALUES (" +
        id + ", '" + email + "', 'x', now(), now())");
}

void add_session(Session& session, const Case& a, int number,
                 const std::string& email, const std::string& age,
                 const std::string& kind) {
    const bool sessions = a.kind == LayoutKind::sigra_sessions;
    const std::string id =
        std::string(a.id) == "uuid" ? "gen_random_uuid()" : "DEFAULT";
    const std::string now = a.zones ? "clock_timestamp()"
                                    : "(clock_timestamp() at time zone 'utc')";
    session.run("INSERT INTO " + layout_of(a).tokens + " (id, user_id, " +
                (sessions ? "hashed_token, type, last_active_at"
                          : "token, context, sent_to") +
                ", inserted_at) SELECT " +
                (id == "DEFAULT" ? std::to_string(number) : id) + ", u.id, " +
                token_sql(number) + ", '" + kind + "', " +
                (sessions ? now + " - interval '10 minutes'" : "NULL") + ", " +
                now + " - interval '" + age + "' FROM users u" +
                " WHERE email = '" + email + "'");
}

Site::Site(const std::string& name, const Case& of)
    : a(of),
      database((fresh_database(name),
                load_schema(name, of.file, std::string("-v id=") + of.id),
                name)),
      session(name),
      layout(layout_of(of)),
      sessions(is_sessions(layout)),
      has_authenticated_at(std::string(of.file) != "phx_gen_auth_17"),
      token_column(sessions ? "hashed_token" : "token"),
      authenticated(sessions ? "sudo_at" : "authenticated_at") {
    if (a.zones) {
        add_zones(session, layout);
    }
    if (std::string(a.id) == "bigint") {
        // add_session() counts from 1.
        session.run("ALTER SEQUENCE " + layout.tokens +
                    "_id_seq RESTART WITH 1000");
    }
    layout.channel = "revoked";
}

std::string binary(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    std::string out;
    for (int shift = 56; shift >= 0; shift -= 8) {
        out += static_cast<char>(bits >> shift & 0xff);
    }
    return out;
}

std::string Site::sql(Statement statement) {
    return postgres::sql(statement, layout, catalog_of(session, layout));
}

std::vector<Row> Site::ask(Statement statement,
                           const std::vector<Parameter>& parameters) {
    return session.run(sql(statement), parameters, has_binary_rows(statement));
}

void Site::login(int number, const std::string& email, const std::string& age,
                 const std::string& type) {
    add_session(session, a, number, email, age, sessions ? type : "session");
    if (has_authenticated_at) {
        set(number, authenticated + " = inserted_at + interval '7 seconds'");
    }
}

void Site::other(int number, const std::string& email) {
    add_session(session, a, number, email, "1 hour",
                sessions ? "mfa_pending" : "reset_password");
}

std::string Site::id(const std::string& email) {
    return user_value(email, "id::text");
}

std::string Site::user_value(const std::string& email,
                             const std::string& expression) {
    return session.value("SELECT " + expression +
                         " FROM users WHERE email = '" + email + "'");
}

std::string Site::value(int number, const std::string& expression) {
    return session.value("SELECT " + expression + " FROM " + layout.tokens +
                         " WHERE " + token_column + " = " + token_sql(number));
}

void Site::set(int number, const std::string& assignments) {
    session.run("UPDATE " + layout.tokens + " SET " + assignments + " WHERE " +
                token_column + " = " + token_sql(number));
}

std::string Site::tokens() {
    std::string found;
    for (int i = 1; i <= 30; i++) {
        if (session.value("SELECT count(*) FROM " + layout.tokens + " WHERE " +
                          token_column + " = " + token_sql(i)) != "0") {
            found += (found.empty() ? "" : " ") + std::to_string(i);
        }
    }
    return found;
}

std::string Site::hash(int number) {
    const bool raw = a.kind == LayoutKind::phx_gen_auth;
    return session.value("SELECT encode(" +
                         (raw ? "sha256(" + token_sql(number) + ")"
                              : token_sql(number) + "::bytea") +
                         ", 'hex')");
}

Crowd::Crowd(const std::string& database, int count) {
    for (int i = 0; i < count; i++) {
        sessions_.push_back(std::make_unique<Session>(database));
        sessions_.back()->run("SET application_name = 'crowd'");
    }
}

void Crowd::start(const std::string& sql,
                  const std::vector<Parameter>& parameters) {
    for (const auto& session : sessions_) {
        session->start(sql, parameters);
    }
}

void Crowd::wait_until_blocked(Session& session) {
    while (session.blocked("crowd") < static_cast<int>(sessions_.size())) {
        session.run("SELECT pg_sleep(0.005)");
    }
}

std::vector<std::vector<Row>> Crowd::finish() {
    std::vector<std::vector<Row>> all;
    for (const auto& session : sessions_) {
        all.push_back(session->finish());
    }
    return all;
}

}  // namespace sigra::test
