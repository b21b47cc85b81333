// The statements on tables of all layouts.
#include "postgres/statements.hpp"

#include <limits>

#include "server.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements";

std::optional<SessionRow> look_up(Session& session, const Layout& layout,
                                  int number) {
    const auto rows =
        session.run(sql(Statement::lookup, layout, catalog_of(session, layout)),
                    {token_parameter(number)}, true);
    check(rows.size() <= 1);
    if (rows.empty()) {
        return std::nullopt;
    }
    const auto row = read_session(rows[0]);
    check(row.has_value(), "the row's shape");
    return row;
}

bool about(std::optional<std::int64_t> ms, std::int64_t expected) {
    return ms && *ms > expected - 1500 && *ms < expected + 60000;
}

void check_case(const Case& a) {
    fresh_database(database);
    load_schema(database, a.file, std::string("-v id=") + a.id);
    Session session(database);
    Layout layout = layout_of(a);
    if (a.zones) {
        add_zones(session, layout);
    }
    const bool sessions = is_sessions(layout);
    const std::string alive = sessions ? "standard" : "session";

    const Catalog catalog = catalog_of(session, layout);
    check_bytes(catalog.id_type, a.id, a.title);
    check_bytes(catalog.token_id_type, a.id, a.title);
    check(catalog.token_id_has_default == (std::string(a.id) == "bigint"),
          a.title);
    check(catalog.inserted_at_has_zone == a.zones, a.title);
    check(catalog.has_authenticated_at ==
              (std::string(a.file) != "phx_gen_auth_17"),
          a.title);
    check(catalog.has_lockout == (a.kind != LayoutKind::phx_gen_auth), a.title);

    add_user(session, a, "Ann@Example.com");
    add_session(session, a, 1, "Ann@Example.com", "90 seconds", alive);
    add_session(session, a, 2, "Ann@Example.com", "400 days", alive);
    add_session(session, a, 3, "Ann@Example.com", "1 second",
                sessions ? "mfa_pending" : "reset_password");

    auto row = look_up(session, layout, 1);
    check(row.has_value(), a.title);
    check_bytes(row->email, "Ann@Example.com", a.title);
    check_bytes(row->user_id, session.value("SELECT id::text FROM users"),
                a.title);
    check(about(row->age_ms, 90000), a.title);
    check(!row->authenticated_at && !row->authenticated_age_ms, a.title);
    check(row->idle_ms.has_value() == sessions, a.title);
    check(!row->remember_me, a.title);

    check(about(look_up(session, layout, 2)->age_ms, 400LL * 86400 * 1000),
          a.title);
    check(!look_up(session, layout, 3), a.title);
    check(!look_up(session, layout, 4), a.title);

    layout.where = "email LIKE '%.org' -- of ours";
    check(!look_up(session, layout, 1), a.title);
    layout.where = "inserted_at IS NOT NULL AND u.email = 'ann@example.COM'";
    check(look_up(session, layout, 1).has_value(), a.title);
}

void sessions_are_found_in_every_layout(void**) {
    for (const Case& a : cases) {
        check_case(a);
    }
}

void authentication_and_activity_have_their_ages(void**) {
    for (const Case& a : cases) {
        if (std::string(a.file) == "phx_gen_auth_17") {
            continue;
        }
        fresh_database(database);
        load_schema(database, a.file, std::string("-v id=") + a.id);
        Session session(database);
        const Layout layout = layout_of(a);
        const bool sessions = is_sessions(layout);
        if (a.zones) {
            add_zones(session, layout);
        }
        add_user(session, a, "a@example.com");
        add_session(session, a, 1, "a@example.com", "1 hour",
                    sessions ? "remember_me" : "session");
        session.run("UPDATE " + layout.tokens + " SET " +
                    (sessions ? "sudo_at" : "authenticated_at") +
                    " = inserted_at" + " + interval '50 minutes'");
        const auto row = look_up(session, layout, 1);
        check(row && about(row->authenticated_age_ms, 600000), a.title);
        const std::int64_t unix_time = std::stoll(
            session.value("SELECT extract(epoch from now())::bigint"));
        check(about((unix_time - *row->authenticated_at) * 1000, 600000),
              a.title);
        check(row->remember_me == sessions, a.title);
        check(!sessions || about(row->idle_ms, 600000), a.title);
    }
}

void a_touch_writes_every_five_minutes(void**) {
    for (const bool zones : {false, true}) {
        const Case a{"touch", LayoutKind::sigra_sessions, "sigra_sessions",
                     "bigint", zones};
        fresh_database(database);
        load_schema(database, a.file);
        Session session(database);
        const Layout layout = layout_of(a);
        if (zones) {
            add_zones(session, layout);
        }
        add_user(session, a, "a@example.com");
        for (int i = 1; i <= 3; i++) {
            add_session(session, a, i, "a@example.com", "1 hour",
                        i == 3 ? "mfa_pending" : "standard");
        }
        session.run(
            "UPDATE user_sessions SET last_active_at ="
            " last_active_at + interval '7 minutes' WHERE id = 2");
        const Catalog catalog = catalog_of(session, layout);
        const std::string touch = sql(Statement::touch, layout, catalog);
        const std::string tokens[] = {token(1), token(2), token(3), token(4)};
        session.run(touch, {bytea_array({tokens[0], tokens[1], tokens[2],
                                         tokens[3], tokens[0]})});
        session.run(touch, {bytea_array({})});
        const auto idle = [&](int i) { return look_up(session, layout, i); };
        check(idle(1)->idle_ms < 60000 && idle(1)->idle_ms >= 0);
        check(about(idle(2)->idle_ms, 180000), "active within five minutes");
        check(session.value("SELECT count(*) FROM user_sessions WHERE id = 3"
                            " AND last_active_at > inserted_at +"
                            " interval '55 minutes'") == "0");
        check(session.value(
                  "SELECT date_trunc('second', last_active_at) ="
                  " last_active_at FROM user_sessions WHERE id = 1") == "t");
    }
    check_bytes(sql(Statement::touch, Layout(), Catalog()), "");
}

// With enough rows, a generic plan uses the unique index.
void a_lookup_goes_through_the_unique_index(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        fresh_database(database);
        load_schema(database, a.file);
        Session session(database);
        Layout layout = layout_of(a);
        const bool sessions = is_sessions(layout);
        layout.where = "u.confirmed_at IS NULL";
        session.run(
            "INSERT INTO users (email, hashed_password, inserted_at,"
            " updated_at) SELECT i || '@example.com', 'x', now(), now()"
            " FROM generate_series(1, 3000) i");
        session.run("INSERT INTO " + layout.tokens + " (user_id, " +
                    (sessions ? "hashed_token, type, last_active_at"
                              : "token, context, sent_to") +
                    ", inserted_at) SELECT i, sha256(i::text::bytea), " +
                    (sessions ? "'standard', now()" : "'session', NULL") +
                    ", now() FROM generate_series(1, 3000) i");
        session.run("ANALYZE");
        session.run("SET plan_cache_mode = force_generic_plan");
        session.run("PREPARE l AS " + sql(Statement::lookup, layout,
                                          catalog_of(session, layout)));
        std::string plan;
        for (const auto& row : session.run("EXPLAIN EXECUTE l('x')")) {
            plan += *row[0] + "\n";
        }
        check(plan.find("Seq Scan") == std::string::npos, plan);
        check(plan.find(sessions ? "user_sessions_hashed_token"
                                 : "users_tokens_context_token") !=
                  std::string::npos,
              plan);
    }
}

void names_are_quoted(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    Layout layout;
    layout.users = "Au\"th.us ers\"; DROP TABLE users_tokens; --";
    layout.tokens = "Au\"th.To'kens";
    layout.singular = "Ad\"min";
    session.run("DROP SCHEMA IF EXISTS \"Au\"\"th\" CASCADE");
    session.run("CREATE SCHEMA \"Au\"\"th\"");
    session.run(
        "ALTER TABLE users RENAME TO"
        " \"us ers\"\"; DROP TABLE users_tokens; --\"");
    session.run(
        "ALTER TABLE \"us ers\"\"; DROP TABLE users_tokens; --\""
        " SET SCHEMA \"Au\"\"th\"");
    session.run("ALTER TABLE users_tokens RENAME user_id TO \"Ad\"\"min_id\"");
    session.run("ALTER TABLE users_tokens RENAME TO \"To'kens\"");
    session.run("ALTER TABLE \"To'kens\" SET SCHEMA \"Au\"\"th\"");
    check(!look_up(session, layout, 1));

    check_bytes(quoted_name("auth.users"), "\"auth\".\"users\"");
    check_bytes(quoted_name("Users"), "\"Users\"");
    check_bytes(quoted_identifier("a.b"), "\"a.b\"");
}

void what_is_missing_is_named(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    std::string error;
    Layout layout;
    layout.tokens = "sessions";
    catalog_of(session, layout, &error);
    check_bytes(error, "relation \"sessions\" does not exist");
    layout.tokens = "users_tokens";
    layout.singular = "admin";
    catalog_of(session, layout, &error);
    check_bytes(error,
                "column \"admin_id\" of relation \"users_tokens\" does not"
                " exist");
    layout.singular = "user";
    session.run("ALTER TABLE users_tokens ALTER token TYPE text");
    catalog_of(session, layout, &error);
    check_bytes(error,
                "column \"token\" of relation \"users_tokens\" is text, not"
                " bytea");
}

void rows_of_another_shape_are_refused(void**) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    Row row = {
        "7",          "a@b", binary(1000.5), binary(990.25), std::nullopt,
        std::nullopt, "f"};
    check(read_session(row)->age_ms == 10250);
    row[3] = binary(-infinity);
    check(read_session(row)->age_ms == max_time, "infinitely old");
    row[3] = binary(infinity);
    check(read_session(row)->age_ms == -max_time, "infinitely young");
    row[4] = row[5] = binary(-infinity);
    check(read_session(row)->authenticated_at == -max_time, "long ago");
    check(read_session(row)->authenticated_age_ms == max_time, "as long");
    check(read_session(row)->idle_ms == max_time, "never used");
    row[3] = std::nullopt;
    check(!read_session(row), "no inserted_at");
    row[3] = "990.25";
    check(!read_session(row), "text");
    row[3] = "";
    check(!read_session(row), "nothing");
    row[3] = binary(990.25).substr(0, 7);
    check(!read_session(row), "seven bytes");
    row[3] = binary(std::numeric_limits<double>::quiet_NaN());
    check(!read_session(row), "not a number");
    row[3] = binary(990.25);
    check(read_session(row).has_value());
    row.pop_back();
    check(!read_session(row), "a column short");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(sessions_are_found_in_every_layout),
        cmocka_unit_test(authentication_and_activity_have_their_ages),
        cmocka_unit_test(a_touch_writes_every_five_minutes),
        cmocka_unit_test(a_lookup_goes_through_the_unique_index),
        cmocka_unit_test(names_are_quoted),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(rows_of_another_shape_are_refused),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
