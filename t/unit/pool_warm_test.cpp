// A pool that opens its first connection before a query comes.
#include "bench.hpp"
#include "fake_server.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_warm";

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 1);
    return 0;
}

PoolOptions options_for(const std::string& conninfo) {
    PoolOptions options;
    options.conninfo = conninfo;
    options.timeout = Milliseconds(10000);
    return options;
}

// The first query finds its connection open and its tables read.
void warmed_up(void**) {
    Bench bench(options_for(conninfo(database)));
    bench.pool->add_layout({});
    bench.pool->warm_up();
    check(bench.reactor.run_until([&] {
        const auto figures = bench.pool->connections();
        return bench.pool->counters().syncs > 1 && figures.size() == 1 &&
               figures[0].state == ConnectionFigure::State::idle;
    }));
    const std::uint64_t before = bench.pool->counters().syncs;
    const auto asked = bench.look_up(1);
    check(bench.status(asked) == Status::ok);
    check(asked->outcome.rows.size() == 1);
    check(bench.pool->counters().syncs == before + 1);
    check(bench.pool->counters().connects == 1);
}

// A query whose attempt to connect fails: one line is logged of it.
void fails_with_a_line(Bench& bench, const ListeningSocket& deaf) {
    const auto asked = bench.look_up(1);
    check(bench.reactor.run_until([&] { return deaf.connections() > 0; }));
    check(bench.reactor.run_until(
        [&] { return bench.reactor.count_logged(LogLevel::error, "") > 0; }));
    check(bench.status(asked) == Status::timeout);
    check(bench.reactor.count_logged(LogLevel::error, "") == 1);
}

// If the server cannot be reached while no query waits, nothing is logged, and
// the first query has attempts of its own.
void warming_up_fails(void**) {
    const ListeningSocket deaf;
    auto options = options_for("host=127.0.0.1 port=" + deaf.port());
    options.timeout = Milliseconds(500);
    Bench bench(options);
    bench.pool->add_layout({});
    bench.pool->warm_up();
    // It closes what it has accepted.
    check(bench.reactor.run_until([&] { return deaf.connections() > 0; }));
    check(bench.reactor.run_until(
        [&] { return bench.pool->connections().empty(); }));
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
    fails_with_a_line(bench, deaf);
}

// If a query waits by then, the failure is reported as usual.
void warming_up_fails_with_a_query(void**) {
    const ListeningSocket deaf;
    auto options = options_for("host=127.0.0.1 port=" + deaf.port());
    options.timeout = Milliseconds(500);
    Bench bench(options);
    bench.pool->add_layout({});
    bench.pool->warm_up();
    check(bench.reactor.run_until(
        [&] { return !bench.pool->connections().empty(); }));
    fails_with_a_line(bench, deaf);
}

// The failure still counts when its query has timed out by then.
void warming_up_fails_after_a_query(void**) {
    const ListeningSocket silent;
    auto options = options_for("host=127.0.0.1 port=" + silent.port());
    options.timeout = Milliseconds(300);
    options.connect_timeout = Milliseconds(1200);
    Bench bench(options);
    bench.pool->add_layout({});
    bench.pool->warm_up();
    check(bench.status_of(1) == Status::timeout);
    check(bench.reactor.run_until(
        [&] { return bench.reactor.count_logged(LogLevel::error, "") > 0; }));
    // It took so long that the server counts as down.
    check(bench.status_of(1) == Status::unavailable);
}

// An attempt that is given up, because it may lead to another server, is
// followed by another one.
void renewed_while_warming_up(void**) {
    Bench bench(options_for(conninfo(database)));
    bench.pool->add_layout({});
    bench.pool->warm_up();
    check(bench.pool->connections().size() == 1);
    bench.pool->renew(1);
    check(bench.pool->connections().empty());
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().open == 1; }));
    check(bench.pool->counters().connects == 1);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

// The server closes it before a query has come: it is opened on demand.
void closed_before_a_query(void**) {
    Session session(database);
    Bench bench(options_for(conninfo(database)));
    bench.pool->add_layout({});
    bench.pool->warm_up();
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().open == 1; }));
    session.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = '" +
        database + "' AND application_name = 'nginx auth_sigra'");
    check(bench.reactor.run_until(
        [&] { return bench.pool->connections().empty(); }));
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
    check(bench.status_of(1) == Status::ok);
    check(bench.pool->counters().connects == 2);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(warmed_up),
        cmocka_unit_test(warming_up_fails),
        cmocka_unit_test(warming_up_fails_with_a_query),
        cmocka_unit_test(warming_up_fails_after_a_query),
        cmocka_unit_test(renewed_while_warming_up),
        cmocka_unit_test(closed_before_a_query),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
