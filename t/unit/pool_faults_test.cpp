// The pool when the server is slow, frozen, stopped, or ends its sessions.
#include "bench.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_faults";
constexpr Milliseconds timeout(1000);
constexpr Milliseconds server_limit(950);

PoolOptions options(unsigned connections = 2) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = timeout;
    return options;
}

PoolOptions patient(unsigned connections = 2) {
    PoolOptions patient = options(connections);
    patient.timeout = Milliseconds(20000);
    return patient;
}

Layout sessions_layout() {
    Layout layout;
    layout.kind = LayoutKind::sigra_sessions;
    layout.tokens = "user_sessions";
    return layout;
}

void make_tables(bool in_sessions_table = false) {
    fresh_database(database);
    load_schema(database, in_sessions_table ? "sigra_sessions" : "sigra");
    Session session(database);
    add_sessions(session, 10, in_sessions_table);
}

// Checks that all queries timed out between `earliest` and twice the timeout,
// not counting delays of a busy machine. `earliest` is the deadline, or the
// server's statement_timeout if the server works.
void check_in_time(const Bench& bench, const std::vector<AskedPtr>& all,
                   Milliseconds from, Milliseconds earliest = timeout) {
    check(count(all, Status::timeout) == static_cast<int>(all.size()));
    for (const AskedPtr& asked : all) {
        const Milliseconds took = asked->at - from;
        check(took >= earliest && took < 2 * timeout + bench.reactor.held_up(),
              std::to_string(took.count()) + " ms");
    }
}

void a_locked_table_times_out_and_heals(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE");
    const Milliseconds from = bench.reactor.now();
    const auto all = bench.look_up_many(10);
    check(bench.reactor.kept_alive());
    check(bench.answered(all));
    check_in_time(bench, all, from, PollReactor::of_server(server_limit));
    check(!bench.reactor.kept_alive());
    session.run("ROLLBACK");
    check(bench.status_of(1) == Status::ok);
    // No error is logged if statement_timeout came first, which keeps the
    // connection.
    check(bench.reactor.count_logged(LogLevel::error, "no answer") <= 1);
    check(bench.pool->counters().connects <= 2);
}

// Queries keep coming. Each is answered at its own deadline, and the pool does
// not open more and more connections that wait for the lock.
void a_locked_table_under_load(void**) {
    // Under memcheck, statement_timeout comes long before the deadlines.
    if (PollReactor::of_server(timeout) != timeout) {
        skip();
    }
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    session.run("BEGIN; LOCK TABLE users_tokens IN ACCESS EXCLUSIVE MODE");
    const Milliseconds from = bench.reactor.now();
    std::vector<std::pair<Milliseconds, AskedPtr>> all;
    bench.reactor.run_until([&] {
        const Milliseconds now = bench.reactor.now();
        all.emplace_back(now, bench.look_up(1));
        bench.reactor.turn(Milliseconds(5));
        return bench.reactor.now() - from > 4 * timeout;
    });
    for (const auto& [at, asked] : all) {
        check(bench.answered({asked}));
        if (asked->outcome.status == Status::overloaded) {
            continue;
        }
        check_in_time(bench, {asked}, at, PollReactor::of_server(server_limit));
    }
    const int sessions = std::stoi(session.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + database +
        "' AND application_name = 'nginx auth_sigra'"));
    check(sessions <= 8, std::to_string(sessions) + " sessions");
    check(bench.reactor.count_logged(LogLevel::error, "") <= 4);
    session.run("ROLLBACK");
    check(bench.reactor.run_until(
        [&] { return bench.status_of(1) == Status::ok; }));
}

void a_slow_mate_leaves_time_to_the_others(void**) {
    make_tables();
    // A long timeout, so that the other queries are in time on a busy machine.
    PoolOptions roomy = options(1);
    roomy.timeout = 8 * timeout;
    Bench bench(roomy);
    Layout layout;
    layout.where =
        "CASE WHEN u.email = '3@example.com'"
        " THEN pg_sleep(60) IS NOT NULL ELSE true END";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    const auto slow = bench.look_up(3);
    bench.reactor.run_until([] { return false; }, roomy.timeout / 2);
    const auto behind = bench.look_up_many(2);
    check(bench.answered(behind));
    check(slow->outcome.status == Status::timeout);
    check(count(behind, Status::ok) == 2);
}

void killed_sessions_lose_no_read(void**) {
    make_tables();
    Bench bench(patient());
    bench.pool->add_layout(gated());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    close_gate(session);
    const auto all = bench.look_up_many(100);
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    check(session.terminate() > 0);
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    check(all[0]->calls == 0, "asked again");
    open_gate(session);
    check(bench.answered(all));
    check(count(all, Status::ok) == 100);
    check(all[0]->outcome.rows.size() == 1);
    check(bench.reactor.logged("terminating connection"));
    check(bench.reactor.count_logged(LogLevel::notice, "restored") == 1);
}

void three_kills_are_survived(void**) {
    make_tables();
    Bench bench(patient(1));
    bench.pool->add_layout(gated());
    Session session(database);
    close_gate(session);
    const auto asked = bench.look_up(1);
    for (int kills = 0; kills < 3; kills++) {
        check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
        check(session.terminate() > 0);
        check(bench.reactor.run_until([&] { return session.blocked() == 0; }));
    }
    open_gate(session);
    check(bench.answered({asked}));
    check(asked->outcome.status == Status::ok);
}

void it_is_not_asked_for_ever(void**) {
    make_tables();
    Bench bench(patient(1));
    bench.pool->add_layout(gated());
    Session session(database);
    close_gate(session);
    const auto asked = bench.look_up(1);
    check(bench.reactor.run_until([&] {
        if (session.blocked() > 0) {
            session.terminate();
        }
        return asked->calls > 0;
    }));
    check(asked->outcome.status == Status::unavailable);
    open_gate(session);
    check(bench.status_of(1) == Status::ok);
}

void a_killed_write_is_not_repeated(void**) {
    make_tables(true);
    Bench bench(patient());
    bench.pool->add_layout(sessions_layout());
    Session session(database);
    session.run("BEGIN; UPDATE user_sessions SET ip = 'x'");
    const auto write = bench.write(1);
    check(bench.reactor.run_until([&] { return session.blocked() > 0; }));
    session.terminate();
    check(bench.status(write) == Status::unavailable);
    session.run("COMMIT");
    check(bench.status(bench.write(1)) == Status::ok);
}

void an_idle_session_ends_quietly(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where = "u.deleted_at IS NULL";  // the condition of the index
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    check(session.terminate() == 1);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().open == 0; }));
    check(bench.reactor.watched() == 0);
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
    check(bench.reactor.count_logged(LogLevel::warn, "") == 0);
}

void a_frozen_server(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    private_postgres("freeze");
    Milliseconds from = bench.reactor.now();
    auto all = bench.look_up_many(50);
    check(bench.answered(all));
    check_in_time(bench, all, from);
    // Now the attempt to connect gets no answer.
    from = bench.reactor.now();
    all = bench.look_up_many(50);
    check(bench.answered(all));
    check_in_time(bench, all, from);
    // Now the server is known to be down, so queries are refused at once.
    check(bench.reactor.run_until(
        [&] { return bench.reactor.logged("no answer in time"); }));
    all = bench.look_up_many(50);
    bench.reactor.turn();
    check(count(all, Status::unavailable) == 50);
    private_postgres("thaw");
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().open > 0; }));
    const auto again = bench.look_up_many(50);
    check(bench.answered(again));
    check(count(again, Status::ok) == 50);
}

void a_stopped_server(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    private_postgres("stop");
    const Milliseconds from = bench.reactor.now();
    const auto all = bench.look_up_many(50);
    check(bench.answered(all));
    check_in_time(bench, all, from);
    check(all[0]->outcome.message.find("No such file") != std::string::npos,
          all[0]->outcome.message);
    // Long enough for the backoff to grow, with queries waiting all the time.
    std::vector<AskedPtr> waiting;
    bench.reactor.run_until(
        [&] {
            waiting.push_back(bench.look_up(1));
            return !bench.answered({waiting.back()});
        },
        3 * timeout);
    check(bench.reactor.count_logged(LogLevel::error, "cannot connect") <= 2);
    private_postgres("start");
    check(bench.reactor.run_until(
        [&] { return bench.status_of(1) == Status::ok; }));
    check(bench.reactor.count_logged(LogLevel::notice, "restored") >= 1);
}

// The pool reconnects without a query.
void a_server_that_comes_back_by_itself(void**) {
    make_tables();
    PoolOptions quick = options();
    quick.max_reconnect_delay = Milliseconds(200);
    Bench bench(quick);
    bench.pool->add_layout({});
    private_postgres("stop");
    check(bench.status_of(1) == Status::timeout);
    private_postgres("start");
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().open == 1; }));
    check(!bench.reactor.kept_alive());
    check(bench.status_of(1) == Status::ok);
}

void every_restart_in_a_row(void**) {
    make_tables();
    Bench bench(patient());
    bench.pool->add_layout({});
    for (int i = 0; i < 3; i++) {
        const auto all = bench.look_up_many(500);
        bench.reactor.turn();
        private_postgres("restart");
        check(bench.answered(all));
        check(count(all, Status::ok) == 500);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_locked_table_times_out_and_heals),
        cmocka_unit_test(a_locked_table_under_load),
        cmocka_unit_test(a_slow_mate_leaves_time_to_the_others),
        cmocka_unit_test(killed_sessions_lose_no_read),
        cmocka_unit_test(three_kills_are_survived),
        cmocka_unit_test(it_is_not_asked_for_ever),
        cmocka_unit_test(a_killed_write_is_not_repeated),
        cmocka_unit_test(an_idle_session_ends_quietly),
        cmocka_unit_test(a_frozen_server),
        cmocka_unit_test(a_stopped_server),
        cmocka_unit_test(a_server_that_comes_back_by_itself),
        cmocka_unit_test(every_restart_in_a_row),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
