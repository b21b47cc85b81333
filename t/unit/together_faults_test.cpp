// Lookups that go together where a connection, a client or a statement does not
// last.
#include "fake_server.hpp"
#include "together.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using namespace sigra::test::together;
using sigra::unit::check;
using sigra::unit::check_bytes;

// What was there when the connection was lost is asked on another.
void a_connection_is_lost_in_the_middle(void**) {
    make_tables();
    Bench bench(options(2));
    bench.pool->add_layout(gated());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    close_gate(session);
    auto all = bench.look_up_many(100);
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    const auto behind = bench.look_up_many(50);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 150; }));
    check(session.terminate() > 0);
    open_gate(session);
    all.insert(all.end(), behind.begin(), behind.end());
    check(bench.answered(all));
    for (std::size_t i = 0; i < all.size(); i++) {
        check_bytes(found(all[i]), email(static_cast<int>(i % 100) + 1));
    }
}

// One whose lookup ends the server's process takes nobody else with it.
void one_ends_the_connection(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where =
        "CASE WHEN u.email = '30@example.com'"
        " THEN pg_terminate_backend(pg_backend_pid()) ELSE true END";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    const auto all = bench.look_up_many(30);
    check(bench.answered(all));
    check(count(all, Status::ok) == 29);
    check(all[29]->outcome.status == Status::unavailable);
}

// Each has its own time, and who has left is not missed.
void who_leaves_is_not_missed(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout(gated());
    check(bench.status_of(1) == Status::ok);
    Session session(database);
    close_gate(session);
    std::vector<AskedPtr> all;
    for (int i = 1; i <= 20; i++) {
        auto asked = std::make_shared<Asked>();
        bench.pool->submit({.layout = 0,
                            .statement = Statement::lookup,
                            .parameters = {{token(i), true}},
                            .done =
                                [asked](Outcome&& outcome) {
                                    asked->calls++;
                                    asked->outcome = std::move(outcome);
                                },
                            .wanted = [i] { return i % 5 != 0; },
                            .waited = Milliseconds(i % 5 == 1 ? 19990 : 0)});
        all.push_back(asked);
    }
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    check(count(all, Status::unwanted) == 4);
    check(bench.reactor.run_until(
        [&] { return count(all, Status::timeout) == 4; }));
    open_gate(session);
    check(bench.answered(all));
    for (int i = 1; i <= 20; i++) {
        if (i % 5 > 1) {
            check_bytes(found(all[static_cast<std::size_t>(i) - 1]), email(i));
        }
    }
    check(bench.pool->counters().inflight == 0);
    // All of them have left: the answer is nobody's.
    close_gate(session);
    const auto late = bench.look_up_many(10);
    check(bench.reactor.run_until([&] { return session.blocked() == 1; }));
    bench.reactor.advance(Milliseconds(20000));
    check(bench.answered(late));
    check(count(late, Status::timeout) == 10);
    open_gate(session);
    check(bench.reactor.run_until(
        [&] { return bench.pool->counters().inflight == 0; }));
    check(bench.status_of(3) == Status::ok);
}

// A question unanswered for a third of the time goes to another connection,
// each lookup by itself there: one of them may be what is slow.
void a_silent_connection(void**) {
    make_tables();
    Session session(database);
    session.run("GRANT SELECT ON users, users_tokens TO sigra");
    Relay relay(server_port());
    PoolOptions chosen = options();
    chosen.conninfo = tcp_conninfo(database) + " port=" + relay.port();
    chosen.timeout = Milliseconds(12000);
    Bench bench(chosen);
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    relay.forget();
    const auto all = bench.look_up_many(100);
    check(bench.answered(all));
    for (int i = 1; i <= 100; i++) {
        check_bytes(found(all[static_cast<std::size_t>(i) - 1]), email(i));
    }
    check(statements_of(all) == 100);
}

// Where each takes its time, few of them go in one statement: all of those are
// answered when the last is, and the connection is not silent meanwhile.
void each_takes_its_time(void**) {
    make_tables();
    PoolOptions chosen = options(2);
    chosen.timeout = Milliseconds(6000);
    Bench bench(chosen);
    Layout layout;
    layout.where = "pg_sleep(0.02)::text IS NOT NULL AND u.id > 0";
    bench.pool->add_layout(layout);
    check(bench.status_of(1) == Status::ok);
    const auto all = bench.look_up_many(128);
    check(bench.answered(all));
    check(count(all, Status::ok) == 128, "none is late");
    check(bench.pool->counters().connects == 1);
    check(statements_of(all) == 8);
    const auto next = bench.look_up_many(32);
    check(bench.answered(next));
    check(count(next, Status::ok) == 32 && statements_of(next) >= 2);
}

// A migration goes by between two of them.
void statements_out_of_date(void**) {
    make_tables();
    Bench bench(options());
    bench.pool->add_layout({});
    warm_up(bench, 100);
    Session session(database);
    for (const char* migration :
         {"SELECT", "ALTER TABLE users ALTER email TYPE text",
          "ALTER TABLE users_tokens DROP authenticated_at"}) {
        session.run(migration);
        const auto all = bench.look_up_many(100);
        check(bench.answered(all));
        for (int i = 1; i <= 100; i++) {
            check_bytes(found(all[static_cast<std::size_t>(i) - 1]), email(i),
                        migration);
        }
        check(statements_of(all) == 1, migration);
    }
    check(bench.pool->counters().connects == 1);
}

// The server takes no writes any more, which a condition has noticed.
void a_server_that_is_demoted(void**) {
    make_tables();
    Session session(database);
    session.run(
        "CREATE TABLE demoted (yes boolean); INSERT INTO demoted VALUES (true);"
        "CREATE FUNCTION writes() RETURNS boolean AS $$ BEGIN"
        " IF (SELECT yes FROM demoted) THEN"
        " RAISE 'read only' USING errcode = '25006'; END IF;"
        " RETURN true; END $$ LANGUAGE plpgsql");
    Bench bench(options());
    Layout layout;
    layout.where = "writes()";
    bench.pool->add_layout(layout);
    const auto all = bench.look_up_many(20);
    check(bench.reactor.run_until(
        [&] { return bench.reactor.logged("takes no writes any more"); }));
    session.run("UPDATE demoted SET yes = false");
    check(bench.answered(all));
    check(count(all, Status::ok) == 20, all[0]->outcome.message);
    check(bench.pool->counters().connects == 2);
}

// A condition that means something in the one statement alone.
void lookups_that_cannot_be_put_together(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.where = "length($1::bytea) > 0";
    bench.pool->add_layout(layout);
    for (int i = 0; i < 3; i++) {
        const auto all = bench.look_up_many(20);
        check(bench.answered(all));
        check(count(all, Status::ok) == 20, all[0]->outcome.message);
        check(statements_of(all) == 20);
    }
    const auto before = bench.pool->counters().syncs;
    check(bench.answered(bench.look_up_many(20)));
    check(bench.pool->counters().syncs == before + 1, "tried once");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_lost_in_the_middle),
        cmocka_unit_test(one_ends_the_connection),
        cmocka_unit_test(who_leaves_is_not_missed),
        cmocka_unit_test(a_silent_connection),
        cmocka_unit_test(each_takes_its_time),
        cmocka_unit_test(statements_out_of_date),
        cmocka_unit_test(a_server_that_is_demoted),
        cmocka_unit_test(lookups_that_cannot_be_put_together),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
