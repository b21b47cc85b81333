// Statements that the server rolls back because of a conflict with others. They
// are repeated.
#include "bench.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_conflicts";

PoolOptions options() {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = 1;
    options.timeout = Milliseconds(20000);
    return options;
}

void make_tables() {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 5);
}

// A trigger that lets a session be deleted only when the gate is open, and then
// locks the user's row.
void lock_the_user(Session& session) {
    session.run(
        "CREATE FUNCTION lock_user() RETURNS trigger AS $$ BEGIN"
        " PERFORM pg_advisory_xact_lock_shared(1);"
        " PERFORM 1 FROM users WHERE id = OLD.user_id FOR UPDATE;"
        " RETURN OLD; END $$ LANGUAGE plpgsql;"
        "CREATE TRIGGER lock_user BEFORE DELETE ON users_tokens"
        " FOR EACH ROW EXECUTE FUNCTION lock_user()");
}

// The application holds the user's row and waits for the session's, which the
// log-out holds. The server cancels the log-out, because the application has a
// longer deadlock_timeout.
AskedPtr deadlock(Bench& bench, Session& gate, Session& application) {
    close_gate(gate);
    application.run("SET deadlock_timeout = '1h'");
    application.run("SET application_name = 'application'");
    application.run("BEGIN");
    application.run(
        "SELECT FROM users WHERE email = '1@example.com' FOR UPDATE");
    auto logout = bench.write(1);
    check(bench.reactor.run_until([&] { return gate.blocked() == 1; }));
    application.start("DELETE FROM users_tokens WHERE token = $1 RETURNING id",
                      {{token(1), true}});
    check(bench.reactor.run_until(
        [&] { return gate.blocked("application") == 1; }));
    open_gate(gate);
    // The application does not wait any more: the log-out was rolled back.
    check(bench.reactor.run_until(
        [&] { return gate.blocked("application") == 0; }));
    return logout;
}

void a_deadlock_is_tried_again(void**) {
    make_tables();
    Session gate(database);
    lock_the_user(gate);
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(2) == Status::ok);
    Session application(database);
    const auto logout = deadlock(bench, gate, application);
    check(application.finish().size() == 1);
    check(logout->calls == 0);
    application.run("ROLLBACK");
    check(bench.status(logout) == Status::ok, logout->outcome.message);
    check(logout->calls == 1);
    check(logout->outcome.rows.size() == 1);
    check(gate.value("SELECT count(*) FROM users_tokens") == "4");
}

// A deadlock does not extend the deadline of a query.
void a_deadlock_has_its_deadline(void**) {
    make_tables();
    Session gate(database);
    lock_the_user(gate);
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(2) == Status::ok);
    Session application(database);
    const auto logout = deadlock(bench, gate, application);
    check(application.finish().size() == 1);
    check(bench.reactor.run_until([&] { return gate.blocked() == 1; }));
    bench.reactor.advance(Milliseconds(20000));
    check(bench.status(logout) == Status::timeout);
    application.run("COMMIT");
    check(logout->calls == 1);
    check(bench.status_of(2) == Status::ok);
}

// Makes a write fail `times` times. The count is a sequence, which a rollback
// does not reset.
void fail_often(Session& session, int times, const std::string& sqlstate) {
    session.run(
        "DROP SEQUENCE IF EXISTS tries; CREATE SEQUENCE tries;"
        "CREATE OR REPLACE FUNCTION collide() RETURNS boolean AS $$ BEGIN"
        " IF nextval('tries') <= " +
        std::to_string(times) + " THEN RAISE 'in the way' USING errcode = '" +
        sqlstate + "'; END IF; RETURN true; END $$ LANGUAGE plpgsql");
}

void twice_and_no_more(void**) {
    make_tables();
    Session session(database);
    fail_often(session, 0, "40001");
    session.run(
        "CREATE FUNCTION collide_on_delete() RETURNS trigger AS $$ BEGIN"
        " PERFORM collide(); RETURN OLD; END $$ LANGUAGE plpgsql;"
        "CREATE TRIGGER collide BEFORE DELETE ON users_tokens"
        " FOR EACH ROW EXECUTE FUNCTION collide_on_delete()");
    Bench bench(options());
    Layout layout;
    layout.where = "collide()";
    bench.pool->add_layout({});
    bench.pool->add_layout(layout);
    int number = 1;
    for (const std::string sqlstate : {"40001", "40P01"}) {
        fail_often(session, 2, sqlstate);
        const auto logout = bench.write(number++);
        check(bench.status(logout) == Status::ok, logout->outcome.message);
        check(logout->outcome.rows.size() == 1);
        fail_often(session, 3, sqlstate);
        const auto refused = bench.write(number);
        check(bench.status(refused) == Status::refused);
        check_bytes(refused->outcome.sqlstate, sqlstate);
        check(session.value("SELECT last_value FROM tries") == "3");
        // A standby cancels lookups with this error if replay conflicts.
        for (const int lookups : {1, 3}) {
            fail_often(session, 2, sqlstate);
            std::vector<AskedPtr> all;
            for (int i = 0; i < lookups; i++) {
                all.push_back(bench.look_up(5 - i, 1));
            }
            check(bench.answered(all));
            check(count(all, Status::ok) == lookups, all[0]->outcome.message);
        }
    }
    // Another error is no conflict, and is not repeated.
    fail_often(session, 1, "23514");
    check(bench.status(bench.write(number)) == Status::refused);
    check(session.value("SELECT last_value FROM tries") == "1");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_deadlock_is_tried_again),
        cmocka_unit_test(a_deadlock_has_its_deadline),
        cmocka_unit_test(twice_and_no_more),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
