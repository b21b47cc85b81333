// Queries without an answer: a connection that a firewall has dropped, a
// statement that takes too long, a server that is known to be down.
#include "bench.hpp"
#include "fake_server.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_silence";

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 20);
    session.run("GRANT SELECT ON users, users_tokens TO sigra");
    return 0;
}

PoolOptions options_for(const std::string& port, Milliseconds timeout) {
    PoolOptions options;
    options.conninfo = tcp_conninfo(database) + " port=" + port;
    options.timeout = timeout;
    return options;
}

// All idle connections are dropped at once, as by a NAT. Only the first query
// has to wait to find that out, and all are answered.
void connections_that_were_forgotten(void**) {
    for (const unsigned connections : {1U, 2U, 4U}) {
        Relay relay(server_port());
        PoolOptions options = options_for(relay.port(), Milliseconds(6000));
        options.connections = connections;
        Bench bench(options);
        bench.pool->add_layout(gated());
        Session session(database);
        close_gate(session);
        // Opens as many connections as allowed.
        std::vector<AskedPtr> all;
        for (unsigned i = 0; i < 2 * connections; i++) {
            all.push_back(bench.look_up(1));
            bench.reactor.run_until([] { return false; }, Milliseconds(50));
        }
        open_gate(session);
        check(bench.answered(all));
        relay.forget();
        all = bench.look_up_many(10);
        check(bench.answered(all));
        check(count(all, Status::ok) == 10, std::to_string(connections) +
                                                " connections, " +
                                                all[0]->outcome.message);
        // Later queries are not affected.
        all = bench.look_up_many(10);
        check(bench.answered(all));
        check(count(all, Status::ok) == 10);
    }
}

// Queries keep coming.
void a_forgotten_connection_under_load(void**) {
    Relay relay(server_port());
    Bench bench(options_for(relay.port(), Milliseconds(6000)));
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    relay.forget();
    std::vector<AskedPtr> all;
    const Milliseconds from = bench.reactor.now();
    bench.reactor.run_until([&] {
        all.push_back(bench.look_up(static_cast<int>(all.size() % 20) + 1));
        bench.reactor.turn(Milliseconds(20));
        return bench.reactor.now() - from > Milliseconds(6000);
    });
    check(bench.answered(all));
    check(count(all, Status::ok) == static_cast<int>(all.size()));
    check(bench.pool->counters().open <= 3);
}

// If the server cancels a statement, only its own query fails.
void a_slow_statement(void**) {
    PoolOptions options = options_for(server_port(), Milliseconds(1500));
    options.connections = 1;
    Bench bench(options);
    Layout layout;
    layout.where =
        "CASE WHEN u.email = '3@example.com'"
        " THEN pg_sleep(60) IS NOT NULL ELSE true END";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    for (int i = 0; i < 3; i++) {
        check(bench.status_of(3) == Status::timeout);
    }
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 0; }));
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
}

// One row takes longer than the timeout. The lookups in the same statement, and
// those after it, are answered.
void a_row_that_is_slow(void**) {
    for (const int slow : {1, 10, 20}) {
        PoolOptions options = options_for(server_port(), Milliseconds(6000));
        options.connections = 2;
        Bench bench(options);
        Layout layout;
        layout.where =
            "CASE WHEN u.email = '" + std::to_string(slow) +
            "@example.com' THEN pg_advisory_xact_lock_shared(1)::text"
            " IS NOT NULL ELSE true END";
        bench.pool->add_layout(layout);
        check(bench.status_of(2) == Status::ok);
        Session session(database);
        close_gate(session);
        const auto all = bench.look_up_many(20);
        check(bench.answered(all));
        check(count(all, Status::ok) == 19);
        check(all[static_cast<std::size_t>(slow) - 1]->outcome.status ==
              Status::timeout);
        open_gate(session);
    }
}

// The deadline began before the statement, which waited for a connection.
void a_slow_statement_that_was_sent_late(void**) {
    PoolOptions options = options_for(server_port(), Milliseconds(1500));
    options.connections = 1;
    Bench bench(options);
    Layout layout;
    layout.where = "pg_sleep(60) IS NOT NULL";
    bench.pool->add_layout(layout);
    auto asked = std::make_shared<Asked>();
    bench.pool->submit({.layout = 0,
                        .statement = Statement::lookup,
                        .parameters = {{token(1), true}},
                        .done =
                            [asked](Outcome&& outcome) {
                                asked->calls++;
                                asked->outcome = std::move(outcome);
                            },
                        .waited = Milliseconds(1000)});
    check(bench.status(asked) == Status::timeout);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 0; }));
    check(bench.reactor.count_logged(LogLevel::error, "") == 0);
    check(bench.pool->counters().open >= 1);
}

// While the server is down, queries are refused at once.
void known_to_be_down(void**) {
    std::string port;
    {
        const ListeningSocket nobody;
        port = nobody.port();
    }
    Bench bench(options_for(port, Milliseconds(20000)));
    bench.pool->add_layout({});
    const auto first = bench.look_up(1);
    // Until the second attempt has failed.
    check(bench.reactor.run_until([&] {
        const auto asked = bench.look_up(1);
        bench.reactor.turn(Milliseconds(10));
        return asked->calls == 1;
    }));
    check(first->calls == 0, "who came before it waits");
    std::vector<AskedPtr> all;
    for (int i = 0; i < 5000; i++) {
        all.push_back(bench.look_up(1));
        bench.reactor.turn();
    }
    check(count(all, Status::unavailable) == 5000);
    check(all[0]->outcome.message.find("refused") != std::string::npos,
          all[0]->outcome.message);
    check(bench.reactor.count_logged(LogLevel::error, "") == 1);
}

// The same for a server that does not answer, however many queries there are.
void known_to_be_silent(void**) {
    Relay relay(server_port());
    PoolOptions options = options_for(relay.port(), Milliseconds(1500));
    options.queue = 10;
    Bench bench(options);
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    relay.mute(true);
    std::vector<AskedPtr> all;
    check(bench.reactor.run_until([&] {
        all.push_back(bench.look_up(1));
        bench.reactor.turn(Milliseconds(5));
        return bench.reactor.logged("no answer in time");
    }));
    // A full queue counts as `overloaded` only while the server answers. Once
    // it is silent, the server counts as down.
    check(count(all, Status::overloaded) > 0);
    check(count(all, Status::unavailable) > 0);
    check(all.back()->calls == 0 ||
          all.back()->outcome.status != Status::overloaded);
    all.clear();
    for (int i = 0; i < 1000; i++) {
        all.push_back(bench.look_up(1));
        bench.reactor.turn();
    }
    check(count(all, Status::unavailable) == 1000);
    relay.mute(false);
    check(bench.reactor.run_until(
        [&] { return bench.status_of(1) == Status::ok; }));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_were_forgotten),
        cmocka_unit_test(a_forgotten_connection_under_load),
        cmocka_unit_test(a_slow_statement),
        cmocka_unit_test(a_row_that_is_slow),
        cmocka_unit_test(a_slow_statement_that_was_sent_late),
        cmocka_unit_test(known_to_be_down),
        cmocka_unit_test(known_to_be_silent),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
