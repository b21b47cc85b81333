// The pool with a server that works: batches, writes, layouts, migrations.
#include "postgres/pool.hpp"

#include "bench.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_pool";

PoolOptions options(unsigned connections = 2) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = Milliseconds(10000);
    return options;
}

Layout sessions_layout() {
    Layout layout;
    layout.kind = LayoutKind::sigra_sessions;
    layout.tokens = "user_sessions";
    return layout;
}

// Ten users with sessions in both tables.
void make_tables() {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    add_sessions(session, 10, true);
    session.run("ALTER TABLE users RENAME TO keep");
    load_schema(database, "sigra");
    session.run("DROP TABLE users CASCADE");
    session.run("ALTER TABLE keep RENAME TO users");
    for (int i = 1; i <= 10; i++) {
        session.run(
            "INSERT INTO users_tokens (user_id, token, context,"
            " inserted_at) VALUES (" +
            std::to_string(i) + ", " + token_sql(i) + ", 'session', now())");
    }
}

void lookups_of_a_turn_share_a_sync(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    const auto before = bench.pool->counters();
    const auto all = bench.look_up_many(1000);
    check(all[0]->calls == 0, "not from inside submit()");
    check(bench.answered(all));
    check(count(all, Status::ok) == 1000);
    for (int i = 0; i < 1000; i++) {
        check(all[i]->outcome.rows.size() == (i < 10 ? 1 : 0));
    }
    check_bytes(read_session(all[6]->outcome.rows[0])->email, "7@example.com");
    const auto after = bench.pool->counters();
    check(after.syncs == before.syncs + 1, std::to_string(after.syncs));
    check(after.inflight == 0 && after.waiting == 0);
    check(!bench.reactor.kept_alive(), "no timer left");
}

void a_failing_mate_fails_alone(void**) {
    make_tables();
    Bench bench(options(1));
    Layout layout;
    layout.where =
        "CASE WHEN u.email = '3@example.com' THEN 1 / (u.id - 3) = 1"
        " ELSE true END";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    const auto all = bench.look_up_many(10);
    check(bench.answered(all));
    check(count(all, Status::ok) == 9);
    check(all[2]->outcome.status == Status::refused);
    check_bytes(all[2]->outcome.sqlstate, "22012");
    check_bytes(all[2]->outcome.message, "division by zero");
    check(bench.pool->counters().connects == 1);
}

void a_cancelled_mate_fails_alone(void**) {
    make_tables();
    Bench bench(options(1));
    Layout layout;
    layout.where =
        "CASE WHEN u.email = '3@example.com'"
        " THEN pg_sleep(60) IS NOT NULL ELSE true END";
    bench.pool->add_layout(layout);
    const auto all = bench.look_up_many(10);
    Session session(database);
    check(bench.reactor.run_until([&] {
        session.run(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event = 'PgSleep'");
        return count(all, Status::ok) == 9 && all[2]->calls != 0;
    }));
    check(all[2]->outcome.status == Status::timeout);
    check_bytes(all[2]->outcome.sqlstate, "57014");
}

void writes_go_alone(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout(sessions_layout());
    Session session(database);
    session.run("BEGIN");
    session.run("UPDATE user_sessions SET ip = 'x' WHERE hashed_token = " +
                token_sql(1));
    const auto blocked = bench.write(1);
    const auto other = bench.write(1);
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    // The row lock holds up the writes, but not the reads.
    const auto reads = bench.look_up_many(10);
    check(bench.answered(reads));
    check(count(reads, Status::ok) == 10);
    check(blocked->calls == 0 && other->calls == 0);
    session.run("COMMIT");
    check(bench.answered({blocked, other}));
    check(count({blocked, other}, Status::ok) == 2);
    check(blocked->outcome.rows.size() + other->outcome.rows.size() == 1);
    check(session.value("SELECT count(*) FROM user_sessions") == "9");
}

// Writes are answered while reads come without a pause, and the other way
// round.
void reads_and_writes_starve_nobody(void**) {
    for (unsigned connections = 1; connections <= 3; connections++) {
        make_tables();
        Bench bench(options(connections));
        bench.pool->add_layout(sessions_layout());
        check(bench.status_of(1) == Status::ok);
        std::vector<AskedPtr> all;
        const auto flood = [&](bool reads) {
            const AskedPtr lonely = reads ? bench.write(1) : bench.look_up(1);
            all.push_back(lonely);
            check(bench.reactor.run_until([&] {
                const auto now = bench.pool->counters();
                if (now.waiting + now.inflight < 100) {
                    all.push_back(reads ? bench.look_up(2) : bench.write(2));
                }
                return lonely->calls > 0;
            }));
        };
        for (int i = 0; i < 20; i++) {
            flood(true);
            flood(false);
        }
        check(bench.answered(all));
        for (const AskedPtr& asked : all) {
            check(asked->outcome.status == Status::ok,
                  asked->outcome.message + " " +
                      std::to_string(static_cast<int>(asked->outcome.status)) +
                      " " + std::to_string(connections));
        }
        check(bench.pool->counters().connects <= connections);
    }
}

void connections_are_opened_on_demand(void**) {
    make_tables();
    Bench bench(options(3));
    bench.pool->add_layout(gated());
    for (int i = 0; i < 50; i++) {
        check(bench.status_of(1) == Status::ok);
    }
    check(bench.pool->counters().open == 1);
    Session session(database);
    close_gate(session);
    std::vector<AskedPtr> all;
    for (unsigned open = 1; open <= 3; open++) {
        check(bench.reactor.run_until(
            [&] { return bench.pool->counters().open == open; }));
        for (int i = 0; i < 2; i++) {
            all.push_back(bench.look_up(1));
            bench.reactor.turn();
        }
    }
    open_gate(session);
    check(bench.answered(all));
    check(count(all, Status::ok) == static_cast<int>(all.size()));
    // A worker that shuts down closes idle connections; the next query opens
    // one.
    bench.reactor.close_idle();
    check(bench.reactor.watched() == 0);
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

void the_queue_is_bounded(void**) {
    make_tables();
    PoolOptions small = options();
    small.queue = 3;
    Bench bench(small);
    bench.pool->add_layout(gated());
    Session session(database);
    close_gate(session);
    const auto first = bench.look_up_many(3);
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    const auto over = bench.look_up(4);
    check(over->calls == 0, "not from inside submit()");
    check(bench.status(over) == Status::overloaded);
    check(first[0]->calls == 0);
    open_gate(session);
    check(bench.answered(first));
    check(count(first, Status::ok) == 3);
    check(bench.status_of(4) == Status::ok);
}

void what_cannot_be_sent_is_refused(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1, 7) == Status::refused, "no such layout");
    check(bench.status(bench.ask(0, Statement::touch, {bytea_array({})})) ==
              Status::refused,
          "no such column");
    check(bench.status(bench.ask(0, Statement::lookup, {})) == Status::refused,
          "a parameter short");
    // A parameter in text format cannot have a NUL, which would cut it off.
    check(bench.status(bench.ask(0, Statement::lookup,
                                 {{std::string("a\0b", 3), false}})) ==
          Status::refused);
    check(bench.status(bench.ask(0, Statement::lookup, {{"\\x", true}})) ==
          Status::ok);
    check(bench.status(bench.ask(0, Statement::lookup,
                                 {{std::nullopt, true}})) == Status::ok);
    check(bench.status_of(1) == Status::ok);
    check(bench.pool->counters().connects == 1);
}

void a_pool_goes_while_queries_fly(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout(gated());
    Session session(database);
    close_gate(session);
    const auto all = bench.look_up_many(10);
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    bench.pool.reset();
    check(bench.reactor.watched() == 0);
    check(!bench.reactor.kept_alive());
    open_gate(session);
    bench.reactor.run_until([] { return false; }, Milliseconds(10));
    check(all[0]->calls == 0);

    Bench starting(options());
    starting.pool->add_layout({});
    const auto unsent = starting.look_up(1);
    starting.reactor.run_until([&] { return starting.reactor.watched() > 0; });
    starting.pool.reset();
    check(starting.reactor.watched() == 0 && unsent->calls == 0);
}

void a_pool_goes_in_its_own_callback(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    int calls = 0;
    for (int i = 0; i < 3; i++) {
        bench.pool->submit(
            {0, Statement::lookup, {{token(1), true}}, [&](Outcome&&) {
                 calls++;
                 bench.pool.reset();
             }});
    }
    check(bench.reactor.run_until([&] { return calls > 0; }));
    bench.reactor.run_until([] { return false; }, Milliseconds(10));
    check(calls == 1);
}

void an_exception_in_a_callback_stays_there(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    bench.pool->submit(
        {0, Statement::lookup, {{token(1), true}}, [](Outcome&&) { throw 1; }});
    check(bench.status_of(1) == Status::ok);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(lookups_of_a_turn_share_a_sync),
        cmocka_unit_test(a_failing_mate_fails_alone),
        cmocka_unit_test(a_cancelled_mate_fails_alone),
        cmocka_unit_test(writes_go_alone),
        cmocka_unit_test(reads_and_writes_starve_nobody),
        cmocka_unit_test(connections_are_opened_on_demand),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(what_cannot_be_sent_is_refused),
        cmocka_unit_test(a_pool_goes_while_queries_fly),
        cmocka_unit_test(a_pool_goes_in_its_own_callback),
        cmocka_unit_test(an_exception_in_a_callback_stays_there),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
