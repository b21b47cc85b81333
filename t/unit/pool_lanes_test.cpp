// Lookups, login reads, writes and background work: each kind has its own limit
// and connection, and does not wait behind another.
#include "bench.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_lanes";

PoolOptions options(unsigned connections = 2) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = Milliseconds(20000);
    return options;
}

Layout sessions_layout() {
    Layout layout;
    layout.kind = LayoutKind::sigra_sessions;
    layout.tokens = "user_sessions";
    return layout;
}

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    add_sessions(session, 300, true);
    return 0;
}

std::string written(Session& session) {
    return session.value(
        "SELECT count(*) FROM user_sessions WHERE last_active_at >"
        " now() at time zone 'utc' - interval '1 minute'");
}

// Whatever the number of connections, the next write gets an extra one, which
// is closed when the lock is released.
void a_locked_row_holds_up_one_write(void**) {
    for (unsigned connections = 1; connections <= 3; connections++) {
        Bench bench(options(connections));
        bench.pool->add_layout(sessions_layout());
        Session session(database);
        session.run("BEGIN");
        session.run("SELECT FROM user_sessions WHERE hashed_token IN (" +
                    token_sql(1) + ", " + token_sql(2) + ", " + token_sql(3) +
                    ") FOR UPDATE");
        std::vector<AskedPtr> blocked;
        for (unsigned i = 1; i <= connections; i++) {
            blocked.push_back(bench.write(static_cast<int>(i)));
        }
        check(bench.reactor.run_until([&] {
            return session.blocked() == static_cast<int>(connections);
        }));
        const auto write = bench.write(10);
        const auto login = bench.find_user(10);
        const auto lookup = bench.look_up(10);
        check(bench.answered({write, login, lookup}));
        check(count({write, login, lookup}, Status::ok) == 3);
        check(count(blocked, Status::ok) == 0);
        check(bench.pool->counters().open <= 2 * connections);
        session.run("ROLLBACK");
        check(bench.answered(blocked));
        check(bench.status_of(20) == Status::ok);
        check(bench.reactor.run_until(
            [&] { return bench.pool->counters().open <= connections; }));
        check(bench.reactor.count_logged(LogLevel::error, "") == 0);
        set_up(nullptr);
    }
}

// A login that reads the whole table, or waits, does not delay lookups.
void a_slow_login_read_is_apart(void**) {
    Bench bench(options());
    Layout layout = sessions_layout();
    layout.second_factor = "pg_advisory_xact_lock_shared(1)::text IS NOT NULL";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    close_gate(session);
    std::vector<AskedPtr> logins;
    for (int i = 1; i <= 10; i++) {
        logins.push_back(bench.find_user(i));
    }
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    for (int i = 0; i < 10; i++) {
        check(bench.status_of(1 + i) == Status::ok);
    }
    check(count(logins, Status::ok) == 0);
    open_gate(session);
    check(bench.answered(logins));
    check(count(logins, Status::ok) == 10);
}

// All kinds are submitted without a pause, and each gets its turns.
void nobody_starves(void**) {
    for (unsigned connections = 1; connections <= 3; connections++) {
        Bench bench(options(connections));
        bench.pool->add_layout(sessions_layout());
        check(bench.status_of(1) == Status::ok);
        std::vector<AskedPtr> all;
        const auto one = [&](int kind) {
            switch (kind) {
                case 0:
                    return bench.look_up(2);
                case 1:
                    return bench.find_user(2);
                default:
                    return bench.write(1000);
            }
        };
        for (int kind = 0; kind < 3; kind++) {
            for (int i = 0; i < 10; i++) {
                const auto lonely = one(kind);
                all.push_back(lonely);
                check(bench.reactor.run_until([&] {
                    const auto now = bench.pool->counters();
                    if (now.waiting + now.inflight < 100) {
                        all.push_back(one((kind + 1) % 3));
                        all.push_back(one((kind + 2) % 3));
                    }
                    return lonely->calls > 0;
                }));
            }
        }
        check(bench.answered(all));
        check(count(all, Status::ok) == static_cast<int>(all.size()));
    }
}

void each_kind_has_a_budget(void**) {
    PoolOptions small = options();
    small.queue = 5;
    Bench bench(small);
    Layout layout = sessions_layout();
    layout.second_factor = "pg_advisory_xact_lock_shared(1)::text IS NOT NULL";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run("BEGIN; LOCK TABLE user_sessions IN SHARE MODE");
    close_gate(session);
    std::vector<AskedPtr> others;
    for (int i = 0; i < 1000; i++) {
        others.push_back(bench.write(1));
        others.push_back(bench.find_user(1));
    }
    check(bench.answered(bench.look_up_many(5)));
    const auto full = bench.look_up_many(6);
    check(bench.answered(full));
    check(count(full, Status::ok) == 5, "lookups alone are counted");
    check(count(full, Status::overloaded) == 1);
    open_gate(session);
    session.run("ROLLBACK");
    check(bench.answered(others));
    const int refused = count(others, Status::overloaded);
    check(refused > 0 && refused < 2000, std::to_string(refused));
    check(count(others, Status::ok) == 2000 - refused);
    set_up(nullptr);
}

// A query that was not sent when its client left is dropped from the queue.
void what_nobody_wants_is_dropped(void**) {
    PoolOptions small = options(1);
    small.queue = 5;
    Bench bench(small);
    bench.pool->add_layout(sessions_layout());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run("BEGIN; LOCK TABLE user_sessions");
    bool wanted = true;
    const auto ask = [&](Statement statement,
                         std::vector<Parameter> parameters) {
        auto asked = std::make_shared<Asked>();
        bench.pool->submit({.layout = 0,
                            .statement = statement,
                            .parameters = std::move(parameters),
                            .done =
                                [asked](Outcome&& outcome) {
                                    asked->calls++;
                                    asked->outcome = std::move(outcome);
                                },
                            .wanted = [&] { return wanted; }});
        return asked;
    };
    // Two syncs of lookups fill the connection.
    const auto sent = ask(Statement::lookup, {{token(1), true}});
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    const auto behind = bench.look_up(2);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 2; }));
    std::vector<AskedPtr> unsent;
    for (int i = 0; i < 3; i++) {
        unsent.push_back(ask(Statement::lookup, {{token(3), true}}));
    }
    const auto write =
        ask(Statement::logout,
            {{token(4), true}, {std::nullopt, true}, {"60"}, {"60"}});
    bench.reactor.turn();
    check(bench.pool->counters().waiting == 4,
          std::to_string(bench.pool->counters().waiting));
    wanted = false;
    const auto next = bench.look_up(5);
    session.run("ROLLBACK");
    unsent.push_back(write);
    check(bench.answered({sent, behind, next}) && bench.answered(unsent));
    check(count({sent, behind, next}, Status::ok) == 3);
    check(count(unsent, Status::unwanted) == 4);
    check(session.value("SELECT count(*) FROM user_sessions") == "300");
}

// All sessions that were active at the same time are written with one
// statement, and no lookup waits for it.
void touches_are_written_together(void**) {
    Bench bench(options());
    bench.pool->add_layout(sessions_layout());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    check(written(session) == "0");
    const auto before = bench.pool->counters();
    for (int again = 0; again < 2; again++) {
        for (int i = 1; i <= 300; i++) {
            bench.pool->touch(0, token(i));
        }
    }
    const auto lookups = bench.look_up_many(300);
    check(bench.answered(lookups));
    check(count(lookups, Status::ok) == 300);
    check(bench.reactor.run_until([&] { return written(session) == "300"; }));
    check(bench.pool->counters().touches == 0);
    const auto after = bench.pool->counters();
    check(after.syncs - before.syncs < 10,
          std::to_string(after.syncs - before.syncs));
}

// A locked row does not hold up the others, and the set does not grow.
void touches_are_bounded(void**) {
    set_up(nullptr);
    Bench bench(options());
    bench.pool->add_layout(sessions_layout());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run("BEGIN; SELECT FROM user_sessions WHERE hashed_token = " +
                token_sql(1) + " FOR UPDATE");
    bench.pool->touch(0, token(1));
    bench.pool->touch(0, token(2));
    bench.pool->touch(7, token(3));
    Session other(database);
    check(bench.reactor.run_until([&] { return written(other) == "1"; }));
    session.run("ROLLBACK");
    for (int i = 0; i < 10000; i++) {
        bench.pool->touch(0, token(i));
    }
    check(bench.pool->counters().touches <= 4096);
    check(bench.status_of(1) == Status::ok);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_locked_row_holds_up_one_write),
        cmocka_unit_test(a_slow_login_read_is_apart),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(each_kind_has_a_budget),
        cmocka_unit_test(what_nobody_wants_is_dropped),
        cmocka_unit_test(touches_are_written_together),
        cmocka_unit_test(touches_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
