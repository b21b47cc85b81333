// Tables that do not exist yet, have changed, or are not usable.
#include "bench.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_pool";

PoolOptions options(unsigned connections = 1) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = Milliseconds(10000);
    return options;
}

void make_tables(const std::string& file = "sigra") {
    fresh_database(database);
    load_schema(database, file);
    Session session(database);
    add_sessions(session, 10);
}

void without_prepared_statements(void**) {
    make_tables();
    PoolOptions unprepared = options();
    unprepared.prepare = false;
    Bench bench(unprepared);
    bench.pool->add_layout({});
    Layout broken;
    broken.where = "u.nowhere";
    bench.pool->add_layout(broken);
    auto all = bench.look_up_many(100);
    const auto refused = bench.look_up(1, 1);
    check(bench.answered(all));
    check(count(all, Status::ok) == 100);
    check(all[9]->outcome.rows.size() == 1);
    check(bench.status(refused) == Status::refused);
    check_bytes(refused->outcome.sqlstate, "42703");
    Session session(database);
    session.run("ALTER TABLE users_tokens RENAME authenticated_at TO gone");
    check(bench.status_of(1) == Status::ok);
}

void a_missing_table_is_found_later(void**) {
    make_tables();
    Bench bench(options());
    Layout later;
    later.tokens = "auth.later";
    bench.pool->add_layout({});
    bench.pool->add_layout(later);
    for (int i = 0; i < 20; i++) {
        const auto well = bench.look_up_many(10);
        const auto refused = bench.look_up(1, 1);
        check(bench.answered(well));
        check(count(well, Status::ok) == 10, "the other layout works");
        check(bench.status(refused) == Status::refused);
        check_bytes(refused->outcome.message,
                    "relation \"auth.later\" does not exist");
    }
    check(bench.reactor.count_logged(LogLevel::error, "auth.later") == 1);
    // The catalog is read at most once a second.
    const auto syncs = bench.pool->counters().syncs;
    for (int i = 0; i < 100; i++) {
        check(bench.status_of(1, 1) == Status::refused);
    }
    check(bench.pool->counters().syncs <= syncs + 6);

    Session session(database);
    session.run(
        "DROP SCHEMA IF EXISTS auth CASCADE; CREATE SCHEMA auth;"
        "CREATE TABLE auth.later AS SELECT * FROM users_tokens");
    check(bench.reactor.run_until(
        [&] { return bench.status_of(1, 1) == Status::ok; }));
    check(bench.reactor.count_logged(LogLevel::notice, "working again") == 1);
    check(bench.pool->counters().connects == 1);
    session.run("DROP SCHEMA auth CASCADE");
    check(bench.status_of(1, 1) == Status::refused);
    check(bench.status_of(1) == Status::ok);
}

// A condition that closes the brackets around it could make a session match
// another user.
void a_condition_that_does_not_parse(void**) {
    make_tables();
    for (const std::string where :
         {"u.email = ", "true) OR (true", "true] IS NULL) OR (true",
          "true) OR (ARRAY[true] IS NULL", "true -- ) OR (true\n) OR (true"}) {
        for (const bool has_facts : {false, true}) {
            Bench bench(options());
            Layout broken;
            broken.where = where;
            if (has_facts) {
                broken.conditions = {"true"};
            }
            bench.pool->add_layout(broken);
            bench.pool->add_layout({});
            for (int i = 0; i < 5; i++) {
                const auto refused = bench.look_up_many(3);
                const auto login = bench.find_user(1);
                const auto well = bench.look_up(1, 1);
                check(bench.answered(refused));
                check(count(refused, Status::refused) == 3, where);
                check_bytes(refused[0]->outcome.sqlstate, "42601");
                check(bench.status(login) == Status::refused, where);
                check(bench.status(well) == Status::ok);
            }
            check(bench.reactor.count_logged(LogLevel::error, "syntax error") ==
                  1);
        }
    }
}

// A condition cannot use columns of the session's row: a login has no such row,
// and a column that users lack would silently be taken from it.
void a_condition_knows_the_users_row_alone(void**) {
    make_tables();
    for (const std::string where :
         {"context = 'session'", "t.context = 'session'", "user_id > 0",
          "t IS NOT NULL", "asked.number > 0", "number > 0"}) {
        for (const bool has_facts : {false, true}) {
            Bench bench(options());
            Layout broken;
            broken.where = where;
            if (has_facts) {
                broken.conditions = {"true"};
            }
            bench.pool->add_layout(broken);
            const auto refused = bench.look_up_many(3);
            check(bench.answered(refused));
            check(count(refused, Status::refused) == 3, where);
            check(refused[0]->outcome.sqlstate.starts_with("42"), where);
        }
    }
}

void a_condition_with_brackets(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where =
        "(u.email LIKE ('%@example.com')) AND (ARRAY[u.id])[1] > 0"
        " AND u.email <> ') OR ]' /* ) */ AND EXISTS (SELECT FROM users o"
        " WHERE o.id = u.id) -- )";
    bench.pool->add_layout(layout);
    const auto all = bench.look_up_many(10);
    check(bench.answered(all));
    check(count(all, Status::ok) == 10, all[0]->outcome.message);
    for (const AskedPtr& asked : all) {
        check(asked->outcome.rows.size() == 1);
    }
}

void a_second_factor_that_means_nothing(void**) {
    for (const bool prepare : {true, false}) {
        make_tables();
        PoolOptions chosen = options(2);
        chosen.prepare = prepare;
        Bench bench(chosen);
        Layout broken;
        broken.second_factor = "u.nowhere";
        bench.pool->add_layout(broken);
        check(bench.status_of(1) == Status::ok, "the gate works");
        check(bench.reactor.count_logged(LogLevel::error, "u.nowhere") == 1,
              "said before anybody logs in");
        const auto find = [&] {
            return bench.ask(0, Statement::find_user,
                             {{"1@example.com", false}});
        };
        for (int i = 0; i < 5; i++) {
            const auto refused = find();
            const auto well = bench.look_up_many(10);
            check(bench.status(refused) == Status::refused);
            check_bytes(refused->outcome.sqlstate, "42703");
            check(bench.answered(well));
            check(count(well, Status::ok) == 10);
        }
        check(bench.reactor.count_logged(LogLevel::error, "u.nowhere") == 1);

        Session session(database);
        session.run("ALTER TABLE users ADD nowhere boolean DEFAULT true");
        AskedPtr found;
        check(bench.reactor.run_until([&] {
            found = find();
            return bench.status(found) == Status::ok;
        }));
        check(read_user(found->outcome.rows.at(0))->second_factor);
    }
}

void migrations_go_by(void**) {
    make_tables();
    Bench bench(options(2));
    bench.pool->add_layout({});
    Session session(database);
    check(bench.status_of(1) == Status::ok);
    for (const char* migration : {
             "ALTER TABLE users ADD COLUMN nick text DEFAULT 'x'",
             "ALTER TABLE users ALTER email TYPE text",
             "ALTER TABLE users ALTER id TYPE numeric",
             "ALTER TABLE users_tokens ALTER inserted_at TYPE timestamptz",
             "ALTER TABLE users_tokens DROP authenticated_at",
             "ALTER TABLE users_tokens RENAME TO t;"
             "CREATE TABLE users_tokens AS SELECT * FROM t; DROP TABLE t",
             "ALTER TABLE users_tokens ALTER context TYPE citext",
         }) {
        session.run(migration);
        const auto all = bench.look_up_many(10);
        check(bench.answered(all), migration);
        check(count(all, Status::ok) == 10, migration);
        check(all[9]->outcome.rows.size() == 1, migration);
    }
    session.run("ALTER TABLE users RENAME TO people");
    const auto refused = bench.look_up(1);
    check(bench.status(refused) == Status::refused);
    check_bytes(refused->outcome.message, "relation \"users\" does not exist");
    session.run("ALTER TABLE people RENAME TO users");
    check(bench.reactor.run_until(
        [&] { return bench.status_of(1) == Status::ok; }));
}

// Prepared statements that are gone, as behind a pooler. One sync of ten
// lookups finds that out.
void deallocated_statements_are_prepared_again(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where = "forget(u.email::text)";
    Session session(database);
    session.run(
        "CREATE TABLE once (x int); INSERT INTO once VALUES (1);"
        "CREATE FUNCTION forget(email text) RETURNS boolean AS $$ BEGIN"
        " IF email = '3@example.com' THEN DELETE FROM once;"
        " IF found THEN EXECUTE 'DEALLOCATE ALL'; END IF; END IF;"
        " RETURN true; END $$ LANGUAGE plpgsql");
    bench.pool->add_layout(layout);
    const auto all = bench.look_up_many(10);
    check(bench.answered(all));
    check(count(all, Status::ok) == 10);
    check(all[3]->outcome.rows.size() == 1);
    check(bench.pool->counters().connects == 1);
}

// Repeating does not help, so it is done once, and not for each query.
void an_error_that_only_looks_stale(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where = "odd(u.email::text)";
    Session session(database);
    session.run(
        "CREATE FUNCTION odd(email text) RETURNS boolean AS $$ BEGIN"
        " IF email = '3@example.com' THEN"
        " RAISE 'no such thing' USING errcode = '42P01'; END IF;"
        " RETURN true; END $$ LANGUAGE plpgsql");
    bench.pool->add_layout(layout);
    const auto all = bench.look_up_many(10);
    check(bench.answered(all));
    check(count(all, Status::ok) == 9);
    check_bytes(all[2]->outcome.message, "no such thing");
    const auto before = bench.pool->counters().syncs;
    check(bench.status_of(3) == Status::refused);
    check(bench.pool->counters().syncs == before + 1);
}

// A new column makes no statement fail; it is noticed within a minute.
void a_new_column_is_noticed(void**) {
    make_tables("phx_gen_auth_17");
    Bench bench(options());
    Layout layout;
    layout.kind = LayoutKind::phx_gen_auth;
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run(
        "ALTER TABLE users_tokens ADD authenticated_at timestamp"
        " DEFAULT now()");
    const auto authenticated = [&] {
        const auto asked = bench.look_up(1);
        check(bench.status(asked) == Status::ok);
        return read_session(asked->outcome.rows.at(0))
            ->authenticated_at.has_value();
    };
    check(!authenticated());
    bench.reactor.advance(Milliseconds(61000));
    check(bench.reactor.run_until(authenticated));
    const auto before = bench.pool->counters().syncs;
    check(authenticated());
    check(bench.pool->counters().syncs == before + 1, "and no more looks");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(without_prepared_statements),
        cmocka_unit_test(a_missing_table_is_found_later),
        cmocka_unit_test(a_condition_that_does_not_parse),
        cmocka_unit_test(a_condition_knows_the_users_row_alone),
        cmocka_unit_test(a_condition_with_brackets),
        cmocka_unit_test(a_second_factor_that_means_nothing),
        cmocka_unit_test(migrations_go_by),
        cmocka_unit_test(deallocated_statements_are_prepared_again),
        cmocka_unit_test(an_error_that_only_looks_stale),
        cmocka_unit_test(a_new_column_is_noticed),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
