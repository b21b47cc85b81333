// All statements with other table names, prepared without parameter types, and
// their plans.
#include "postgres/statements.hpp"

#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_names";

// Without prune, which may read the whole table.
constexpr Statement all[] = {
    Statement::lookup,        Statement::find_user,
    Statement::attempt,       Statement::login,
    Statement::logout,        Statement::logout_everywhere,
    Statement::renew,         Statement::reissue,
    Statement::take_back,     Statement::forgive,
    Statement::list_sessions, Statement::end_session,
    Statement::lookup_many,
};

// A value for each parameter, as SQL.
std::string arguments(Statement statement, const Layout& layout) {
    switch (statement) {
        case Statement::lookup:
        case Statement::lookup_part:
        case Statement::touch:
            return "'a'";
        case Statement::lookup_many:
            return "'{a,b}'";
        case Statement::find_user:
            return "'7@example.com'";
        case Statement::attempt:
            return "'7@example.com', '5', '900'";
        case Statement::forgive:
            return "'7', 'x', NULL";
        case Statement::login:
            return std::string("'7', 'x', 'a', 'b', 'c', '60', '60', NULL") +
                   (is_sessions(layout) ? ", 'standard', NULL, 'c'" : "");
        case Statement::logout:
            return "'a', NULL, '86400', '86400'";
        case Statement::logout_everywhere:
            return "'7', 'a', 'b'";
        case Statement::renew:
            return "'a', 'b', 'c', '86400', '86400', 't'";
        case Statement::reissue:
            return "'a', 'b', '3600', '86400', '86400'";
        case Statement::take_back:
            return "'a', 'b', '2026-01-01'";
        case Statement::prune:
            return "'60', '60', '10'";
        case Statement::list_sessions:
            return "'7', 'a', '86400', '86400', '1800'";
        case Statement::end_session:
            return "'7', '7', '86400', '86400'";
    }
    return "";
}

// With enough rows, a generic plan uses indexes on both tables.
void no_statement_reads_a_whole_table(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        Site site(database, a);
        site.layout.where = a.kind == LayoutKind::phx_gen_auth
                                ? "confirmed_at IS NULL"
                                : "deleted_at IS NULL";
        site.layout.lockout = a.kind != LayoutKind::phx_gen_auth;
        site.layout.rehash = true;
        site.session.run(
            "INSERT INTO users (email, hashed_password, inserted_at,"
            " updated_at) SELECT i || '@example.com', 'x', now(), now()"
            " FROM generate_series(1, 3000) i");
        site.session.run(
            "INSERT INTO " + site.layout.tokens + " (user_id, " +
            (site.sessions ? "hashed_token, type, last_active_at"
                           : "token, context, sent_to") +
            ", inserted_at) SELECT i, sha256(i::text::bytea), " +
            (site.sessions ? "'standard', now()" : "'session', NULL") +
            ", now() FROM generate_series(1, 3000) i");
        site.session.run("ANALYZE");
        site.session.run("SET plan_cache_mode = force_generic_plan");
        for (const Statement statement : all) {
            const std::string sql = site.sql(statement);
            if ((statement == Statement::attempt ||
                 statement == Statement::forgive) &&
                !site.layout.lockout) {
                check_bytes(sql, "");
                continue;
            }
            const std::string called(name(statement));
            site.session.run("PREPARE " + called + " AS " + sql);
            std::string plan = std::string(a.title) + " " + called + "\n";
            for (const auto& row :
                 site.session.run("EXPLAIN EXECUTE " + called + "(" +
                                  arguments(statement, site.layout) + ")")) {
                plan += *row[0] + "\n";
            }
            check(plan.find("Seq Scan") == std::string::npos, plan);
        }
    }
}

// All statements in the life of a session, with tables of other names.
void the_tables_may_have_any_name(void**) {
    for (const Case& a : cases) {
        fresh_database(database);
        Session session(database);
        session.run("DROP SCHEMA IF EXISTS auth CASCADE");
        load_schema(database, a.file,
                    std::string("-v users=auth.members"
                                " -v tokens=auth.member_logins"
                                " -v singular=member -v id=") +
                        a.id);
        for (const char* rename :
             {"ALTER TABLE auth.member_logins RENAME TO \"Log {ins}\"",
              "ALTER TABLE auth.\"Log {ins}\" RENAME member_id TO"
              " \"the member_id\""}) {
            session.run(rename);
        }
        Layout layout = layout_of(a);
        layout.users = "auth.members";
        layout.tokens = "auth.Log {ins}";
        layout.singular = "the member";
        layout.where = "email <> '{users}' -- $9";
        layout.second_factor = "email = '{users}'";
        layout.channel = "{users}";
        layout.lockout = a.kind != LayoutKind::phx_gen_auth;
        layout.rehash = true;
        const bool sessions = is_sessions(layout);
        const Catalog catalog = catalog_of(session, layout);
        const auto ask = [&](Statement statement,
                             const std::vector<Parameter>& parameters) {
            const auto rows =
                session.run(sql(statement, layout, catalog), parameters);
            check(rows.size() == 1,
                  std::string(a.title) + " " + std::string(name(statement)));
            return rows;
        };
        session.run(
            std::string("INSERT INTO auth.members (id, email, hashed_password,"
                        " inserted_at, updated_at) VALUES (") +
            (std::string(a.id) == "uuid" ? "gen_random_uuid()" : "DEFAULT") +
            ", 'ann@example.com', 'x', now(), now())");
        const auto user = ask(Statement::find_user, {text("ann@example.com")});
        if (layout.lockout) {
            ask(Statement::attempt,
                {text("ann@example.com"), text("5"), text("900")});
        }
        const auto log_in = [&](int number) {
            std::vector<Parameter> login = {text(user[0][0].value_or("")),
                                            text("x"),
                                            token_parameter(number),
                                            token_parameter(0),
                                            token_parameter(0),
                                            text("86400"),
                                            text("86400"),
                                            text("x")};
            if (sessions) {
                login.insert(login.end(), {text("standard"), text("::1"),
                                           text("a browser")});
            }
            ask(Statement::login, login);
            ask(Statement::lookup, {token_parameter(number)});
            ask(Statement::lookup_many, {bytea_array({token(number)})});
        };
        log_in(1);
        session.run(
            "UPDATE auth.\"Log {ins}\" SET inserted_at = inserted_at -"
            " interval '2 hours'");
        ask(Statement::reissue, {token_parameter(1), token_parameter(2),
                                 text("3600"), text("86400"), text("86400")});
        ask(Statement::renew,
            {token_parameter(2), token_parameter(3), token_parameter(0),
             text("86400"), text("86400"), text("f")});
        ask(Statement::logout, {token_parameter(3), token_parameter(0),
                                text("86400"), text("86400")});
        log_in(4);
        const auto listed = ask(Statement::list_sessions, {{user[0][0]},
                                                           token_parameter(4),
                                                           text("86400"),
                                                           text("86400"),
                                                           text("1800")});
        ask(Statement::end_session,
            {{user[0][0]}, {listed[0][0]}, text("86400"), text("86400")});
        log_in(4);
        ask(Statement::logout_everywhere,
            {{user[0][0]}, token_parameter(0), token_parameter(0)});
        check_bytes(session.value("SELECT count(*) FROM auth.\"Log {ins}\""),
                    "0", a.title);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(no_statement_reads_a_whole_table),
        cmocka_unit_test(the_tables_may_have_any_name),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
