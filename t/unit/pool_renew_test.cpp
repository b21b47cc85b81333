// A pool that replaces its connections with new ones.
#include "bench.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_renew";

PoolOptions options(unsigned connections = 2) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = Milliseconds(20000);
    return options;
}

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    add_sessions(session, 10, true);
    return 0;
}

Layout sessions() {
    Layout layout;
    layout.kind = LayoutKind::sigra_sessions;
    layout.tokens = "user_sessions";
    return layout;
}

int backends(Session& session) {
    session.run("SELECT pg_stat_clear_snapshot()");
    return std::stoi(session.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '" + database +
        "' AND application_name = 'nginx auth_sigra'"));
}

void an_idle_connection_is_closed(void**) {
    Session session(database);
    Bench bench(options());
    bench.pool->add_layout(sessions());
    const AskedPtr before = bench.look_up(1);
    check(bench.status(before) == Status::ok);
    check(!before->outcome.outdated);
    bench.pool->renew();
    check(bench.pool->counters().open == 0);
    check(bench.reactor.run_until([&] { return backends(session) == 0; }));
    // A new one is opened only on demand.
    bench.reactor.turn();
    check(bench.reactor.watched() == 0);
    const AskedPtr after = bench.look_up(1);
    check(bench.status(after) == Status::ok);
    check(!after->outcome.outdated);
    check(bench.pool->counters().connects == 2);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
    check(!bench.reactor.kept_alive());
}

// Queries that were sent are answered on the old connection. Later ones do not
// wait for that, even if only one connection is allowed.
void an_answer_in_flight_is_waited_for(void**) {
    Session session(database);
    Bench bench(options(1));
    const std::size_t held = bench.pool->add_layout(gated(sessions()));
    const std::size_t free = bench.pool->add_layout(sessions());
    check(bench.status_of(1, free) == Status::ok);
    close_gate(session);
    const AskedPtr slow = bench.look_up(1, held);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 1; }));
    bench.pool->renew();
    const AskedPtr quick = bench.look_up(2, free);
    check(bench.status(quick) == Status::ok);
    check(!quick->outcome.outdated);
    check(slow->calls == 0);
    check(bench.pool->counters().open == 2);
    open_gate(session);
    check(bench.status(slow) == Status::ok);
    check(slow->outcome.rows.size() == 1);
    check(slow->outcome.outdated);
    check(bench.pool->counters().open == 1);
    check(bench.status_of(3, free) == Status::ok);
    check(bench.pool->counters().connects == 2);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

void a_write_in_flight_is_waited_for(void**) {
    Session session(database);
    Bench bench(options());
    bench.pool->add_layout(sessions());
    check(bench.status_of(1) == Status::ok);
    session.run("BEGIN; SELECT FROM user_sessions FOR UPDATE");
    const AskedPtr touch = bench.write(1);
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    bench.pool->renew();
    check(bench.status_of(2) == Status::ok);
    session.run("ROLLBACK");
    check(bench.status(touch) == Status::ok);
    check(touch->outcome.outdated);
}

void an_answer_not_yet_delivered_is_outdated(void**) {
    Bench bench(options());
    bench.pool->add_layout(sessions());
    check(bench.status_of(1) == Status::ok);
    AskedPtr later;
    bool renewed = false;
    bench.pool->submit(
        {0, Statement::lookup, {{token(1), true}}, [&](Outcome&& outcome) {
             check(!outcome.outdated);
             bench.pool->renew();
             renewed = true;
         }});
    later = bench.look_up(2);  // under the same sync
    check(bench.status(later) == Status::ok);
    check(renewed && later->outcome.outdated);
}

// It may lead to another server than the next attempt.
void an_attempt_to_connect_is_given_up(void**) {
    Bench bench(options());
    bench.pool->add_layout(sessions());
    const AskedPtr asked = bench.look_up(1);
    bench.reactor.turn();
    check(bench.reactor.watched() == 1);
    check(bench.pool->counters().connects == 0);
    bench.pool->renew();
    check(bench.status(asked) == Status::ok);
    check(!asked->outcome.outdated);
    check(bench.pool->counters().connects == 1);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

// A connection to the server that is asked for stays. What was sent on it
// before is outdated all the same.
void the_same_server_stays(void**) {
    Session session(database);
    Bench bench(options(1));
    const std::size_t held = bench.pool->add_layout(gated(sessions()));
    const std::size_t free = bench.pool->add_layout(sessions());
    const AskedPtr first = bench.look_up(1, free);
    check(bench.status(first) == Status::ok);
    const std::uint64_t server = first->outcome.server;
    check(server != 0);
    bench.pool->renew(server);
    check(bench.pool->counters().open == 1);
    close_gate(session);
    const AskedPtr slow = bench.look_up(1, held);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 1; }));
    bench.pool->renew(server);
    const AskedPtr later = bench.look_up(2, free);
    open_gate(session);
    check(bench.status(slow) == Status::ok);
    check(slow->outcome.outdated);
    check(bench.status(later) == Status::ok);
    check(!later->outcome.outdated);
    check(bench.pool->counters().connects == 1);
    bench.pool->renew(server + 1);
    check(bench.pool->counters().open == 0);
    check(bench.status_of(3, free) == Status::ok);
    check(bench.pool->counters().connects == 2);
}

// One that is on its way out does not come back.
void a_connection_that_is_closing_stays_so(void**) {
    Session session(database);
    Bench bench(options(1));
    const std::size_t held = bench.pool->add_layout(gated(sessions()));
    const std::size_t free = bench.pool->add_layout(sessions());
    const AskedPtr first = bench.look_up(1, free);
    check(bench.status(first) == Status::ok);
    close_gate(session);
    const AskedPtr slow = bench.look_up(1, held);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 1; }));
    bench.pool->renew();
    bench.pool->renew(first->outcome.server);
    check(bench.status_of(2, free) == Status::ok);
    check(bench.pool->counters().connects == 2);
    open_gate(session);
    check(bench.status(slow) == Status::ok);
    check(slow->outcome.outdated);
    check(bench.pool->counters().open == 1);
}

// One that still reads the tables stays only if it leads to that server.
void a_connection_that_reads_the_tables(void**) {
    Session session(database);
    std::uint64_t server = 0;
    {
        Bench bench(options());
        bench.pool->add_layout(sessions());
        const AskedPtr first = bench.look_up(1);
        check(bench.status(first) == Status::ok);
        server = first->outcome.server;
    }
    for (const bool same : {true, false}) {
        Bench bench(options());
        bench.pool->add_layout(sessions());
        session.run("BEGIN; LOCK user_sessions");
        const AskedPtr asked = bench.look_up(1);
        Session other(database);
        check(bench.reactor.run_until([&] { return other.blocked() == 1; }));
        bench.reactor.turn();
        bench.pool->renew(same ? server : server + 1);
        check(bench.pool->connections().size() == (same ? 1 : 0));
        session.run("ROLLBACK");
        check(bench.status(asked) == Status::ok);
        check(bench.pool->counters().connects == 1);
    }
}

void every_turn(void**) {
    Bench bench(options());
    bench.pool->add_layout(sessions());
    std::vector<AskedPtr> all;
    for (int i = 0; i < 200; i++) {
        all.push_back(bench.look_up(1 + i % 10));
        if (i % 7 == 0) {
            all.push_back(bench.write(1 + i % 10));
        }
        bench.reactor.turn(Milliseconds(1));
        if (i % 20 == 0) {
            bench.pool->renew();
        }
    }
    check(bench.answered(all));
    check(count(all, Status::ok) == static_cast<int>(all.size()));
    check(bench.pool->counters().open <= 2);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_is_closed),
        cmocka_unit_test(an_answer_in_flight_is_waited_for),
        cmocka_unit_test(a_write_in_flight_is_waited_for),
        cmocka_unit_test(an_answer_not_yet_delivered_is_outdated),
        cmocka_unit_test(an_attempt_to_connect_is_given_up),
        cmocka_unit_test(the_same_server_stays),
        cmocka_unit_test(a_connection_that_is_closing_stays_so),
        cmocka_unit_test(a_connection_that_reads_the_tables),
        cmocka_unit_test(every_turn),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
