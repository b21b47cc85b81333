// examples/revocation.sql with tables in other schemas, or of other kinds.
#include <fstream>
#include <iterator>

#include "bench.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

using Payloads = std::vector<std::string>;

const std::string database = "sigra_revocation_tables";

void a_table_of_partitions(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    session.run(
        "ALTER TABLE users_tokens RENAME TO one;"
        "CREATE TABLE users_tokens (LIKE one INCLUDING DEFAULTS)"
        " PARTITION BY HASH (token);"
        "DROP TABLE one CASCADE;"
        "CREATE SEQUENCE ids; ALTER TABLE users_tokens ALTER id SET DEFAULT"
        " nextval('ids');"
        "CREATE TABLE \"Part\" PARTITION OF users_tokens"
        " FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
        "CREATE TABLE heir () INHERITS (users)");
    load_revocation(database);
    load_revocation(database);
    session.run("LISTEN auth_sigra_revoked");
    add_sessions(session, 5);
    session.run(
        "INSERT INTO heir (id, email, hashed_password, inserted_at,"
        " updated_at) VALUES (99, 'heir', 'x', now(), now())");
    const auto hash = [&](int number) {
        return session.value("SELECT encode(" + token_sql(number) +
                             "::bytea, 'hex')");
    };
    const auto says = [&](const std::string& sql, const Payloads& expected) {
        session.run(sql);
        check(session.notified() == expected, sql);
    };
    const auto of = [&](int number) {
        return " WHERE token = " + token_sql(number);
    };
    says("DELETE FROM users_tokens" + of(1), {hash(1)});
    says("DELETE FROM \"Part\"" + of(2), {hash(2)});
    says("UPDATE \"Part\" SET inserted_at = inserted_at - interval '1 s'" +
             of(3),
         {hash(3)});
    says("UPDATE heir SET hashed_password = 'y'", {"user:99"});
    says("UPDATE users SET hashed_password = 'y' WHERE email = 'heir'", {});
    says("DELETE FROM users WHERE email = 'heir'", {"user:99"});
    session.run("SET session_replication_role = replica");
    says("DELETE FROM users_tokens" + of(3), {hash(3)});
    session.run("SET session_replication_role = origin");
    session.run("ALTER TABLE users_tokens DETACH PARTITION \"Part\"");
    says("DELETE FROM \"Part\"" + of(4), {hash(4)});
    says("TRUNCATE \"Part\"", {"*"});
}

// The table of API tokens is in the schema of the users, not in the first one
// of the search_path.
void api_tokens_beside_the_users(void**) {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    const std::string columns =
        "(id bigserial PRIMARY KEY, user_id bigint, token bytea,"
        " context text, sent_to text, inserted_at timestamp)";
    session.run(
        "CREATE SCHEMA auth; ALTER TABLE users SET SCHEMA auth;"
        "ALTER TABLE user_sessions SET SCHEMA auth;"
        "CREATE TABLE auth.users_tokens " +
        columns +
        "; DROP TABLE IF EXISTS users_tokens;"
        "CREATE TABLE users_tokens " +
        columns);
    load_revocation(database,
                    "-v schema=sigra_sessions -v users=auth.users"
                    " -v tokens=auth.user_sessions");
    check_bytes(session.value("SELECT string_agg(DISTINCT n.nspname, ' ')"
                              " FROM pg_trigger g JOIN pg_class c ON"
                              " c.oid = tgrelid JOIN pg_namespace n ON"
                              " n.oid = relnamespace WHERE relname ="
                              " 'users_tokens'"),
                "auth");
    session.run(
        "LISTEN auth_sigra_revoked; INSERT INTO auth.users_tokens"
        " (token, context) VALUES ('a', 'api-token'), ('b', 'other');"
        "DELETE FROM auth.users_tokens");
    check(session.notified().size() == 1);
}

// A table that was named but cannot be used is an error.
void a_table_that_holds_no_tokens(void**) {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    session.run(
        "SET auth_sigra.schema = 'sigra_sessions';"
        "SET auth_sigra.api_tokens = 'users'");
    std::ifstream in("examples/revocation-plain.sql");
    const std::string plain(std::istreambuf_iterator<char>(in), {});
    check(session.failure(plain).find("P0001") != std::string::npos);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_table_of_partitions),
        cmocka_unit_test(api_tokens_beside_the_users),
        cmocka_unit_test(a_table_that_holds_no_tokens),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
