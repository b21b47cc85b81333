// examples/revocation.sql: the columns whose changes are notified.
#include "revocation_sql.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using namespace sigra::test::revocation;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_revocation_columns";

// Columns of types without an equality operator, and a json value that json
// functions refuse.
void a_column_of_any_type(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        for (const std::string& table : {std::string("users"), tables.tokens}) {
            tables.session().run(
                "ALTER TABLE " + table +
                " ADD data json, ADD place point, ADD markup xml,"
                " ADD \"Odd, name\" text");
        }
        const std::string user = tables.user("1");
        const std::string odd = R"('{"a":"\u0000"}')";
        const auto set = [&](const std::string& what) {
            tables.says(
                "UPDATE users SET " + what + " WHERE email = '1@example.com'",
                {user});
            tables.says(
                "UPDATE " + tables.tokens + " SET " + what + tables.where(1),
                {tables.hash(1)});
        };
        set("data = " + odd);
        set("place = '(1,2)'");
        set("markup = '<a/>'");
        set("\"Odd, name\" = 'x'");
        tables.says("UPDATE users SET updated_at = now() + interval '1 h'", {});
    }
}

void what_is_ignored(void**) {
    for (const Case& of : cases) {
        Tables tables(database, of);
        tables.session().run(
            "ALTER TABLE users ADD last_seen_at timestamp, ADD \"Count\" int");
        const std::string schema = of.kind == LayoutKind::phx_gen_auth
                                       ? std::string("phx_gen_auth")
                                       : std::string(of.file);
        load_revocation(database, "-v schema=" + schema +
                                      " -v 'ignore=last_seen_at, Count'");
        const std::string user = tables.user("1");
        const auto set = [](const std::string& what) {
            return "UPDATE users SET " + what +
                   " WHERE email = '1@example.com'";
        };
        tables.says(set("last_seen_at = now()"), {});
        tables.says(set("\"Count\" = 7, updated_at = now()"), {});
        tables.says(set("\"Count\" = 8, hashed_password = 'z'"), {user});
        tables.says("DELETE FROM " + tables.tokens + tables.where(2),
                    {tables.hash(2)});
    }
}

// The application's statement succeeds, even if the trigger cannot compare.
void what_cannot_be_compared(void**) {
    Tables tables(database, cases[0]);
    tables.session().run(
        "ALTER TABLE users_tokens DROP CONSTRAINT users_tokens_pkey,"
        " ALTER id DROP DEFAULT, ALTER id TYPE json USING to_json(id)");
    tables.says("UPDATE users_tokens SET sent_to = 'x'" + tables.where(1),
                {"*"});
    check_bytes(tables.session().value("SELECT count(*) FROM users_tokens"
                                       " WHERE sent_to = 'x'"),
                "1");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_column_of_any_type),
        cmocka_unit_test(what_is_ignored),
        cmocka_unit_test(what_cannot_be_compared),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
