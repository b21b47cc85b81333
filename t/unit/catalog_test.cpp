// Reading the tables' columns from the catalog, and statements that do not
// depend on the search_path.
#include "postgres/catalog.hpp"

#include <algorithm>

#include "bench.hpp"
#include "postgres/triggers.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_catalog";
const std::string ann = "ann@example.com";

// A schema with functions and operators that fail, and types with the names of
// built-in ones.
constexpr const char* trap = R"sql(
CREATE SCHEMA trap;
DO $do$
DECLARE
    f record;
BEGIN
    FOR f IN
        SELECT p.proname, p.oid, p.proretset, p.prorettype,
               pg_get_function_identity_arguments(p.oid) AS arguments
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND p.prokind = 'f' AND p.proname IN (
            'date_part', 'date_trunc', 'statement_timestamp', 'encode',
            'clock_timestamp', 'sha256', 'pg_notify', 'floor', 'to_char',
            'to_regclass', 'format_type', 'gen_random_uuid',
            'row_security_active', 'has_any_column_privilege',
            'pg_has_role', 'pg_backend_pid', 'starts_with', 'timezone',
            'pg_operator_is_visible', 'unnest')
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE FUNCTION trap.%I(%s) RETURNS %s LANGUAGE plpgsql'
                ' AS $$ BEGIN RAISE ''trapped''; END $$',
                f.proname, f.arguments, f.prorettype::regtype);
        EXCEPTION WHEN OTHERS THEN
            RAISE 'no trap for %: %', f.proname, SQLERRM;
        END;
    END LOOP;
    FOR f IN
        SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r,
               o.oprresult::regtype AS result, o.oid
        FROM pg_operator o
        WHERE o.oprname IN ('=', '<>', '<', '<=', '>', '>=', '+', '-', '&')
          AND o.oprleft <> 0
          AND o.oprleft::regtype::text IN (
            'bytea', 'text', 'bigint', 'integer', 'smallint', 'uuid', 'name',
            'oid', '"char"', 'timestamp without time zone', 'citext',
            'timestamp with time zone', 'interval', 'double precision')
    LOOP
        EXECUTE format(
            'CREATE FUNCTION trap.operator_%s(%s, %s) RETURNS %s LANGUAGE'
            ' plpgsql AS $$ BEGIN RAISE ''trapped''; END $$',
            f.oid, f.l, f.r, f.result);
        EXECUTE format(
            'CREATE OPERATOR trap.%s (LEFTARG = %s, RIGHTARG = %s,'
            ' FUNCTION = trap.operator_%s)', f.oprname, f.l, f.r, f.oid);
    END LOOP;
END
$do$;
CREATE DOMAIN trap.text AS integer;
CREATE DOMAIN trap.bytea AS integer;
CREATE DOMAIN trap.uuid AS integer;
CREATE DOMAIN trap.name AS integer;
)sql";

bool warns(const Catalog& catalog, std::string_view of) {
    return std::any_of(catalog.warnings.begin(), catalog.warnings.end(),
                       [&](const std::string& warning) {
                           return warning.find(of) != std::string::npos;
                       });
}

void a_search_path_leads_nowhere(void**) {
    for (const Case& a : cases) {
        fresh_database(database);
        Session("postgres").run("SELECT 1");
        {
            Session session(database);
            session.run("DROP SCHEMA IF EXISTS trap CASCADE");
        }
        Site site(database, a);
        site.layout.lockout = a.kind != LayoutKind::phx_gen_auth;
        site.layout.rehash = true;
        site.user(ann);
        site.login(1, ann, "2 hours");
        const std::string id = site.id(ann);
        site.session.run(trap);
        Session lured(database);
        lured.run("SET search_path = trap, pg_catalog, public");
        check_bytes(lured.failure("SELECT '\\x00'::pg_catalog.bytea ="
                                  " '\\x00'::pg_catalog.bytea"),
                    "P0001", "the trap");
        const Catalog catalog = catalog_of(lured, site.layout);
        // Only a condition of the configuration is affected, and a warning says
        // so.
        for (const std::string& warning : catalog.warnings) {
            check(
                warning.find("outside the search_path") != std::string::npos ||
                    warning.find("finds an email") != std::string::npos,
                a.title);
        }
        check(warns(catalog, "outside the search_path"), a.title);
        const auto ask = [&](Statement statement,
                             const std::vector<Parameter>& parameters,
                             std::size_t rows = 1) {
            const std::string text = sql(statement, site.layout, catalog);
            const auto found = lured.run(text, parameters);
            check(found.size() == rows, std::string(a.title) + " " +
                                            std::string(name(statement)) + " " +
                                            std::to_string(found.size()));
            return found;
        };
        ask(Statement::find_user, {text("ANN@example.com")});
        if (site.layout.lockout) {
            ask(Statement::attempt, {text(ann), text("5"), text("900")});
        }
        ask(Statement::lookup, {token_parameter(1)});
        ask(Statement::lookup_many, {bytea_array({token(1)})});
        const auto reissued =
            ask(Statement::reissue, {token_parameter(1), token_parameter(2),
                                     text("60"), text("86400"), text("86400")});
        ask(Statement::take_back,
            {token_parameter(1), token_parameter(2), {reissued[0][2]}});
        ask(Statement::renew,
            {token_parameter(1), token_parameter(3), token_parameter(0),
             text("86400"), text("86400"), text("t")});
        std::vector<Parameter> login = {text(id),           text("x"),
                                        token_parameter(4), token_parameter(3),
                                        token_parameter(9), text("86400"),
                                        text("86400"),      text("better")};
        if (site.sessions) {
            login.insert(login.end(), {text("standard"), {}, {}});
            ask(Statement::touch, {text("{}")}, 0);
        }
        ask(Statement::login, login);
        ask(Statement::logout,
            {token_parameter(4), token_parameter(0), text("86400"),
             text("86400")},
            2);
        login[1] = text("better");
        login[2] = token_parameter(5);
        ask(Statement::login, login);
        ask(Statement::logout_everywhere,
            {text(id), token_parameter(0), token_parameter(0)});

        Layout api = site.layout;
        api.context = "api-token";
        const TriggerLook look =
            look_for_triggers("auth_sigra_revoked", {site.layout, api});
        std::vector<Parameter> names;
        for (const std::string& parameter : look.parameters) {
            names.push_back(text(parameter));
        }
        check(lured.run(look.sql, names).size() == 1, a.title);
        site.session.run("DROP SCHEMA trap CASCADE");
    }
}

void what_will_not_work_is_said(void**) {
    for (const Case& a : {cases[0], cases[3], cases[5], cases[6]}) {
        Site site(database, a);
        const std::string& tokens = site.layout.tokens;
        const auto catalog = [&] {
            return catalog_of(site.session, site.layout);
        };
        // With deleted users, the index on the email is partial.
        const bool partly = a.kind != LayoutKind::phx_gen_auth;
        check(warns(catalog(), "unless \"where\" has") == partly, a.title);
        site.layout.where = "u.deleted_at IS NULL";
        check(catalog().warnings.empty(), a.title);
        site.session.run(
            "DO $$ DECLARE i regclass; BEGIN "
            "FOR i IN SELECT indexrelid FROM pg_index WHERE "
            "indrelid = 'users'::regclass AND NOT indisprimary "
            "LOOP EXECUTE 'DROP INDEX ' || i; END LOOP; END $$");
        check(warns(catalog(), "each login reads the whole table"), a.title);
        site.layout.where.clear();
        check(!warns(catalog(), "unless \"where\" has"), a.title);
        site.session.run("CREATE UNIQUE INDEX ON users (email)");
        check(catalog().warnings.empty(), a.title);

        site.layout.sudo = true;
        check(warns(catalog(), "auth_sigra_sudo") == !site.has_authenticated_at,
              a.title);
        site.layout.sudo = false;

        site.session.run("ALTER TABLE " + tokens +
                         " ADD device text NOT NULL, ADD n int NOT NULL"
                         " DEFAULT 1");
        check(warns(catalog(), "\"device\""), a.title);
        check(catalog().warnings.size() == 1, a.title);
        site.session.run("ALTER TABLE " + tokens + " DROP device");

        // A role that only reads gets no warnings about logins.
        site.session.run(
            "DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object"
            " THEN NULL; END $$; GRANT SELECT ON users, " +
            tokens + " TO reader; ALTER TABLE " + tokens +
            " ADD device text NOT NULL");
        site.session.run("SET ROLE reader");
        check(catalog().warnings.empty(), a.title);
        check(!catalog().may_lock_users, a.title);
        site.session.run("RESET ROLE; ALTER TABLE " + tokens +
                         " DROP device; GRANT INSERT ON " + tokens +
                         " TO reader; SET ROLE reader");
        check(warns(catalog(), "not update it"), a.title);
        site.session.run("RESET ROLE; GRANT UPDATE ON users, " + tokens +
                         " TO reader; ALTER TABLE users ENABLE ROW LEVEL"
                         " SECURITY; SET ROLE reader");
        check(warns(catalog(), "row-level security of relation \"users\""),
              a.title);
        check(!catalog().may_lock_users, a.title);
        site.session.run(
            "RESET ROLE; CREATE POLICY reads ON users FOR SELECT TO reader"
            " USING (true); SET ROLE reader");
        check(catalog().warnings.empty(), a.title);
        site.session.run(
            "RESET ROLE; ALTER TABLE users DISABLE ROW LEVEL"
            " SECURITY; SET ROLE reader");
        check(catalog().may_lock_users, a.title);
        site.session.run("RESET ROLE");
    }
}

// The extension's schema is not in the role's search_path.
void citext_is_found_wherever_it_is(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        Site site(database, a);
        site.user(ann);
        site.session.run(
            "CREATE SCHEMA IF NOT EXISTS extensions;"
            "ALTER EXTENSION citext SET SCHEMA extensions");
        Session session(database);
        const Catalog catalog = catalog_of(session, site.layout);
        check(warns(catalog, "outside the search_path"), a.title);
        check(session.run(sql(Statement::find_user, site.layout, catalog),
                          {text("Ann@Example.COM")})
                      .size() == 1,
              a.title);
        session.run("SET search_path = public, extensions");
        check(!warns(catalog_of(session, site.layout), "search_path"), a.title);
        session.run("DROP SCHEMA extensions CASCADE");
    }
}

// Ids of type char(n) are compared in full.
void an_id_may_be_of_a_fixed_length(void**) {
    Site site(database, cases[0]);
    site.session.run(
        "DROP TABLE users_tokens; ALTER TABLE users ALTER id DROP DEFAULT,"
        " ALTER id TYPE char(36);"
        "CREATE TABLE users_tokens (id bigserial PRIMARY KEY, user_id char(36)"
        " NOT NULL REFERENCES users, token bytea NOT NULL, context text NOT"
        " NULL, sent_to text, authenticated_at timestamp, inserted_at timestamp"
        " NOT NULL);"
        "INSERT INTO users (id, email, hashed_password, inserted_at,"
        " updated_at) VALUES ('a-long-id', 'ann@example.com', 'x', now(),"
        " now())");
    const auto user = site.ask(Statement::find_user, {text(ann)});
    check(user.size() == 1);
    check_bytes(user[0][0], "a-long-id");
    check(site.ask(Statement::login, {{user[0][0]},
                                      text("x"),
                                      token_parameter(1),
                                      token_parameter(0),
                                      token_parameter(0),
                                      text("86400"),
                                      text("86400"),
                                      {}})
              .size() == 1);
    check(site.ask(Statement::logout_everywhere,
                   {{user[0][0]}, token_parameter(0), token_parameter(0)})
              .size() == 1);
}

// It is logged once, until the warnings change.
void a_warning_is_a_line_in_the_log(void**) {
    Site site(database, cases[5]);
    site.layout.sudo = true;
    PoolOptions options;
    options.conninfo = conninfo(database);
    Bench bench(options);
    bench.pool->add_layout(site.layout);
    check(bench.status_of(1) == Status::ok);
    bench.pool->renew();
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::warn, "auth_sigra_sudo") == 1);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_search_path_leads_nowhere),
        cmocka_unit_test(what_will_not_work_is_said),
        cmocka_unit_test(citext_is_found_wherever_it_is),
        cmocka_unit_test(an_id_may_be_of_a_fixed_length),
        cmocka_unit_test(a_warning_is_a_line_in_the_log),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
