// examples/revocation.sql: what its triggers notify, for each layout.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "revocation_sql.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using namespace sigra::test::revocation;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_revocation";

void a_session_that_is_deleted(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        const std::string from = "DELETE FROM " + tables.tokens;
        tables.says(from + tables.where(1), {tables.hash(1)});
        tables.says(from + tables.where(1), {});
        tables.says(from + tables.where(2) + " OR " + tables.column + " = " +
                        token_sql(3),
                    {tables.hash(2), tables.hash(3)});
        tables.says("BEGIN; " + from + "; ROLLBACK", {});
        tables.says("BEGIN; " + from + tables.where(4) +
                        "; SELECT pg_notify('auth_sigra_revoked', '" +
                        tables.hash(4) + "'); COMMIT",
                    {tables.hash(4)});
        tables.says("TRUNCATE " + tables.tokens, {"*"});
    }
}

void a_session_that_is_changed(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        const auto set = [&](const std::string& what, int number) {
            return "UPDATE " + tables.tokens + " SET " + what +
                   tables.where(number);
        };
        tables.says(set("inserted_at = inserted_at - interval '1 s'", 1),
                    {tables.hash(1)});
        tables.says(set("inserted_at = inserted_at", 1), {});
        tables.says(set("user_id = '" + tables.id("2") + "'", 1),
                    {tables.hash(1)});
        const bool is_uuid = std::string_view(of.id) == "uuid";
        tables.says(set(is_uuid ? "id = gen_random_uuid()" : "id = -1", 1),
                    {tables.hash(1)});
        if (tables.in_sessions) {
            tables.says(set("type = 'mfa_pending'", 2), {tables.hash(2)});
            tables.says(set("sudo_at = now()", 3), {tables.hash(3)});
            tables.says(set("last_active_at = now() + interval '1 h'", 3), {});
            tables.says(set("ip = '127.0.0.1', user_agent = 'x'", 3), {});
        } else {
            tables.says(set("context = 'change:x'", 2), {tables.hash(2)});
            tables.says(set("context = 'confirm'", 2), {});
            tables.says("DELETE FROM users_tokens" + tables.where(2), {});
        }
        if (!tables.in_sessions) {
            // The row of an API token has the hash, even if that of a session
            // has the token.
            const std::string token = "WHERE token = " + token_sql(5);
            tables.session().run("UPDATE users_tokens SET context = 'x' " +
                                 token);
            static_cast<void>(tables.session().notified());
            tables.session().run(
                "UPDATE users_tokens SET context = 'api-token' " + token);
            const std::string hash = tables.session().value(
                "SELECT encode(token, 'hex') FROM users_tokens " + token);
            tables.says("UPDATE users_tokens SET sent_to = 'y' " + token,
                        {hash});
            tables.says("DELETE FROM users_tokens " + token, {hash});
        }
        if (!tables.in_sessions &&
            std::string_view(of.file) != "phx_gen_auth_17") {
            tables.says(set("authenticated_at = now()", 3), {tables.hash(3)});
        }
        // The old token is notified, because that is what a cache holds.
        tables.says(set(tables.column + " = '\\x00'", 4), {tables.hash(4)});
    }
}

void a_user_who_is_changed(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        const auto set = [](const std::string& what) {
            return "UPDATE users SET " + what +
                   " WHERE email = '1@example.com'";
        };
        const std::string user = tables.user("1");
        tables.says(set("hashed_password = 'y'"), {user});
        tables.says(set("hashed_password = 'y'"), {});
        tables.says(set("confirmed_at = now()"), {user});
        tables.says(set("updated_at = now() + interval '1 h'"), {});
        tables.says(set("updated_at = now(), hashed_password = 'z'"), {user});
        if (tables.has_lockout) {
            tables.says(set("failed_login_attempts = 5, locked_at = now(),"
                            " updated_at = now()"),
                        {});
            tables.says(set("deleted_at = now()"), {user});
        }
        tables.says(
            "UPDATE users SET hashed_password = 'w' WHERE email IN"
            " ('2@example.com', '3@example.com')",
            {tables.user("2"), tables.user("3")});
        // A condition may use a column that is added later.
        tables.session().run("ALTER TABLE users ADD plan text");
        tables.says(set("plan = 'gold'"), {user});
        tables.says(set("email = 'one@example.com'"), {user});
    }
}

void a_user_who_is_deleted(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        tables.says("DELETE FROM users WHERE email = '2@example.com'",
                    {tables.user("2"), tables.hash(2)});
        tables.add(2000);
        tables.says("DELETE FROM users WHERE email = '1@example.com'",
                    {tables.user("1"), "*"});
        tables.says("TRUNCATE users CASCADE", {"*"});
    }
}

void many_at_once(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        const std::string from = "DELETE FROM " + tables.tokens;
        tables.session().run(from);
        tables.session().notified();
        tables.add(1000);
        tables.session().run(from);
        check(tables.session().notified().size() == 1000);
        tables.add(1001);
        tables.says(from, {"*"});
        tables.add(1001);
        tables.says("UPDATE " + tables.tokens +
                        " SET inserted_at = inserted_at + interval '1 s'",
                    {"*"});
        tables.session().run("TRUNCATE " + tables.tokens);
        tables.session().notified();
        tables.add(100000);
        tables.says(from, {"*"});
        tables.session().run(
            "INSERT INTO users (email, hashed_password, inserted_at,"
            " updated_at) SELECT 'many' || i, 'x', now(), now()"
            " FROM generate_series(1, 1001) i");
        tables.says("UPDATE users SET hashed_password = 'y'", {"*"});
        tables.says("DELETE FROM users", {"*"});
    }
}

// A role that may delete needs no other privilege, and its search_path does not
// matter.
void another_role(void**) {
    Tables tables(database, cases[0]);
    Session& session = tables.session();
    session.run(
        "GRANT SELECT, UPDATE, DELETE ON users, users_tokens TO sigra;"
        "CREATE SCHEMA trap; GRANT USAGE ON SCHEMA trap TO sigra;"
        "CREATE FUNCTION trap.pg_notify(text, text) RETURNS void LANGUAGE sql"
        " AS 'SELECT 1/0'; CREATE TABLE trap.old_rows (id int)");
    const std::string user = tables.user("1");
    session.run("SET ROLE sigra; SET search_path = trap, pg_catalog");
    tables.says("DELETE FROM public.users_tokens" + tables.where(2),
                {tables.hash(2)});
    tables.says(
        "UPDATE public.users SET hashed_password = 'y' WHERE 'user:' || id = "
        "'" +
            user + "'",
        {user});
}

void names_of_ones_own(void**) {
    fresh_database(database);
    Session(database).run("DROP SCHEMA IF EXISTS auth CASCADE");
    const std::string names =
        "-v singular=admin -v users=auth.admins -v 'tokens=auth.\"Keys\"' ";
    load_schema(database, "sigra", names);
    load_revocation(database, names + "-v 'channel=Log \"me\" out'");
    Session session(database);
    session.run("LISTEN \"Log \"\"me\"\" out\"");
    session.run(
        "INSERT INTO auth.admins VALUES (7, 'a', 'x', now(), 0, NULL,"
        " NULL, now(), now())");
    session.run(
        "INSERT INTO auth.\"Keys\" VALUES (1, 7, '\\x01', 'session',"
        " NULL, NULL, now())");
    session.run("DELETE FROM auth.admins");
    Payloads payloads = session.notified();
    std::sort(payloads.begin(), payloads.end());
    check(payloads == Payloads{"01", "user:7"});
    check_bytes(session.value("SELECT string_agg(pronamespace::regnamespace"
                              "::text, ' ') FROM pg_proc"
                              " WHERE proname LIKE 'auth_sigra_%'"),
                "auth");
    session.run("DROP SCHEMA auth CASCADE");
}

void what_is_refused(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    for (const std::string& wrong :
         {std::string("schema=phoenix"), std::string("channel="),
          std::string("ignore=last_seen_at"), std::string("ignore=token"),
          "channel=" + std::string(64, 'x'), std::string("users=nobody"),
          std::string("tokens=nothing")}) {
        const std::string command = "psql -X -q -d '" + conninfo(database) +
                                    "' -v " + wrong +
                                    " -f examples/revocation.sql 2>&1 |"
                                    " grep -q ERROR";
        check(std::system(command.c_str()) == 0, wrong);
        Session session(database);
        check_bytes(session.value("SELECT count(*) FROM pg_trigger"
                                  " WHERE tgname LIKE 'auth_sigra_%'"),
                    "0", wrong);
    }
}

std::string read_file(const std::string& name) {
    std::ifstream file(name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Returns the DO statement of a file.
std::string statement_of(const std::string& name) {
    const std::string text = read_file(name);
    const std::string end = "$auth_sigra$;\n";
    const std::size_t from = text.find("DO $auth_sigra$");
    const std::size_t to = text.rfind(end);
    check(from != std::string::npos && to != std::string::npos, name);
    return text.substr(from, to + end.size() - from);
}

void the_plain_form_is_the_same(void**) {
    check_bytes(statement_of("examples/revocation-plain.sql"),
                statement_of("examples/revocation.sql"));
    fresh_database(database);
    load_schema(database, "phx_gen_auth");
    Session session(database);
    session.run("SET auth_sigra.schema = 'phx_gen_auth'");
    session.run("SET auth_sigra.channel = 'elsewhere'");
    // As a migration executes it, with the protocol for a single statement.
    session.run(read_file("examples/revocation-plain.sql"),
                std::vector<Parameter>());
    session.run("RESET auth_sigra.channel; LISTEN elsewhere");
    add_sessions(session, 1);
    session.run("DELETE FROM users_tokens");
    check(session.notified() ==
          Payloads{session.value("SELECT encode(sha256(" + token_sql(1) +
                                 "::bytea), 'hex')")});
    check_bytes(session.value("SHOW search_path"), "\"$user\", public");

    const std::string left =
        "SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) +"
        " (SELECT count(*) FROM pg_proc WHERE proname LIKE 'auth_sigra%')";
    check(session.value(left) != "0");
    for (int time = 0; time < 2; time++) {
        session.run(read_file("examples/revocation-uninstall.sql"),
                    std::vector<Parameter>());
        check_bytes(session.value(left), "0");
    }
}

// Changes that a subscription applies are notified too.
void a_replica_tells_as_well(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        Session& session = tables.session();
        const std::string user = tables.user("1");
        for (const bool rows_alone : {false, true}) {
            session.run("SET session_replication_role = origin");
            if (rows_alone) {
                for (const std::string& table :
                     {std::string("users"), tables.tokens}) {
                    session.run(
                        "DROP TRIGGER auth_sigra_revoke_update ON " + table +
                        "; DROP TRIGGER auth_sigra_revoke_delete ON " + table);
                }
            }
            session.run("SET session_replication_role = replica");
            tables.says(
                "UPDATE users SET hashed_password = hashed_password ||"
                " 'y' WHERE email = '1@example.com'",
                {user});
            tables.says(
                "UPDATE users SET updated_at = now()"
                " + interval '1 h'",
                {});
            const int number = rows_alone ? 2 : 3;
            tables.says("DELETE FROM " + tables.tokens + tables.where(number),
                        {tables.hash(number)});
            tables.says("UPDATE " + tables.tokens +
                            " SET inserted_at ="
                            " inserted_at - interval '1 s'" +
                            tables.where(number + 2),
                        {tables.hash(number + 2)});
        }
        tables.says("TRUNCATE " + tables.tokens, {"*"});
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_session_that_is_deleted),
        cmocka_unit_test(a_session_that_is_changed),
        cmocka_unit_test(a_user_who_is_changed),
        cmocka_unit_test(a_user_who_is_deleted),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(another_role),
        cmocka_unit_test(names_of_ones_own),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(the_plain_form_is_the_same),
        cmocka_unit_test(a_replica_tells_as_well),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
