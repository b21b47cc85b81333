// Lookups that share a statement, when a connection, a client or the statement
// fails.
#include "fake_server.hpp"
#include "together.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using namespace sigra::test::together;
using sigra::unit::check;
using sigra::unit::check_bytes;

// Divides by zero for a confirmed user; break_row() confirms one.
const std::string brittle =
    "1 / (CASE WHEN u.confirmed_at IS NULL THEN 1 ELSE 0 END) = 1";

void break_row(Session& session, int number) {
    session.run("UPDATE users SET confirmed_at = now() WHERE email = '" +
                email(number) + "'");
}

// Submits lookups at once and returns how many syncs they took.
std::uint64_t syncs_of(Bench& bench, int count, std::vector<AskedPtr>& all) {
    const auto before = bench.pool->counters().syncs;
    all = bench.look_up_many(count);
    check(bench.answered(all));
    return bench.pool->counters().syncs - before;
}

void check_all_but(const std::vector<AskedPtr>& all,
                   const std::set<int>& broken) {
    for (int i = 1; i <= static_cast<int>(all.size()); i++) {
        const AskedPtr& asked = all[static_cast<std::size_t>(i) - 1];
        if (broken.count(i) == 0) {
            check_bytes(found(asked), email(i));
            continue;
        }
        check(asked->calls == 1 && asked->outcome.status == Status::refused);
        check_bytes(asked->outcome.sqlstate, "22012");
    }
}

// Lookups in flight when the connection is lost are repeated on another one.
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

// A lookup that ends the server's process does not fail the others, wherever it
// is among them, nor those that come meanwhile.
void one_ends_the_connection(void**) {
    make_tables();
    for (const bool prepare : {true, false}) {
        for (const int deadly : {1, 15, 30}) {
            PoolOptions chosen = options();
            chosen.prepare = prepare;
            Bench bench(chosen);
            Layout layout;
            layout.where = "CASE WHEN u.email = '" + email(deadly) +
                           "' THEN pg_terminate_backend(pg_backend_pid())"
                           " ELSE true END";
            bench.pool->add_layout(layout);
            check(bench.status_of(2) == Status::ok);
            const auto before = bench.pool->counters().connects;
            const auto all = bench.look_up_many(30);
            std::vector<AskedPtr> later;
            while (all[static_cast<std::size_t>(deadly) - 1]->calls == 0) {
                for (int i = 31; i <= 60; i++) {
                    later.push_back(bench.look_up(i));
                }
                check(bench.answered({later.back()}));
            }
            check(bench.answered(all) && bench.answered(later));
            for (int i = 1; i <= 30; i++) {
                const AskedPtr& asked = all[static_cast<std::size_t>(i) - 1];
                if (i == deadly) {
                    check(asked->calls == 1);
                    check(asked->outcome.status == Status::unavailable);
                } else {
                    check_bytes(found(asked), email(i));
                }
            }
            for (std::size_t i = 0; i < later.size(); i++) {
                check_bytes(found(later[i]),
                            email(31 + static_cast<int>(i) % 30));
            }
            // Each of its five attempts has ended a connection.
            check(bench.status_of(2) == Status::ok);
            check(bench.pool->counters().connects == before + 5);
            // It is remembered, and sent alone after the others.
            const auto again = bench.look_up_many(30);
            check(bench.answered(again));
            check(count(again, Status::ok) == 29);
            check(statements_of(again) <= 2);
        }
    }
}

// Each lookup has its own deadline, and a client may leave.
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
    // All clients have left, so the answer is dropped.
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

// Lookups without an answer for a third of the timeout are repeated on another
// connection, each in its own statement, because one of them may be slow.
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

// If lookups are slow, fewer are combined, so that the connection does not
// count as silent while it works: a statement answers all of its lookups at the
// end.
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

// A migration is made between two statements.
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

// The server no longer accepts writes, and a condition fails because of that.
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
        [&] { return bench.reactor.logged("no longer accepts writes"); }));
    session.run("UPDATE demoted SET yes = false");
    check(bench.answered(all));
    check(count(all, Status::ok) == 20, all[0]->outcome.message);
    check(bench.pool->counters().connects == 2);
}

// A condition that is valid only in the statement of a single lookup.
void lookups_that_cannot_be_put_together(void**) {
    make_tables();
    for (const bool prepare : {true, false}) {
        PoolOptions chosen = options();
        chosen.prepare = prepare;
        Bench bench(chosen);
        Layout layout;
        layout.where = "length($1::bytea) > 0";
        bench.pool->add_layout(layout);
        std::uint64_t before = 0;
        for (int i = 0; i < 4; i++) {
            before = bench.pool->counters().syncs;
            const auto all = bench.look_up_many(20);
            check(bench.answered(all));
            check(count(all, Status::ok) == 20, all[0]->outcome.message);
            check(statements_of(all) == 20);
        }
        check(bench.pool->counters().syncs == before + 1, "tried once");
        check(bench.reactor.count_logged(LogLevel::warn, "sent one by one") ==
              1);
    }
}

// The first time, a few statements find the lookup whose row fails. From then
// on it is sent alone, until it succeeds, and does not delay the others.
void a_row_that_fails_is_remembered(void**) {
    make_tables();
    Session session(database);
    for (const bool prepare : {true, false}) {
        for (const bool in_where : {true, false}) {
            PoolOptions chosen = options();
            chosen.prepare = prepare;
            Bench bench(chosen);
            Layout layout;
            if (in_where) {
                layout.where = brittle;
            } else {
                layout.conditions = {brittle};
            }
            bench.pool->add_layout(layout);
            warm_up(bench, 128);
            break_row(session, 50);
            std::vector<AskedPtr> all;
            check(syncs_of(bench, 128, all) <= 15);
            check_all_but(all, {50});
            for (int i = 0; i < 3; i++) {
                check(syncs_of(bench, 128, all) == 2);
                check_all_but(all, {50});
                check(statements_of(all) == 1);
            }
            session.run("UPDATE users SET confirmed_at = NULL");
            check(syncs_of(bench, 128, all) == 2);
            check_all_but(all, {});
            check(syncs_of(bench, 128, all) == 1);
            check_all_but(all, {});
            check(statements_of(all) == 1);
            check(bench.pool->counters().connects == 1);
        }
    }
}

// Several rows fail, among more lookups than a statement can have.
void rows_that_fail_are_found(void**) {
    make_tables();
    Session session(database);
    const std::set<int> broken = {1, 2, 64, 127, 128, 140};
    for (const int number : broken) {
        break_row(session, number);
    }
    Bench bench(options());
    Layout layout;
    layout.where = brittle;
    bench.pool->add_layout(layout);
    std::vector<AskedPtr> all;
    for (int i = 1; i <= 3; i++) {
        for (int number = 1; number <= users; number++) {
            all.push_back(bench.look_up(number));
        }
    }
    const auto before = bench.pool->counters().syncs;
    check(bench.answered(all));
    check(bench.pool->counters().syncs - before < 200);
    for (std::size_t i = 0; i < all.size(); i += users) {
        check_all_but({all.begin() + static_cast<std::ptrdiff_t>(i),
                       all.begin() + static_cast<std::ptrdiff_t>(i) + users},
                      broken);
    }
    for (int i = 0; i < 3; i++) {
        check(syncs_of(bench, users, all) == 1 + broken.size());
        check_all_but(all, broken);
    }
    check(statements_of(all) <= 2);
}

// Lookups that share a sync with a row that fails are not executed, and are
// combined again. The lookups of parts for that row do not share a sync.
void whoever_is_beside_stays_together(void**) {
    make_tables();
    Session session(database);
    Bench bench(options());
    Layout layout;
    layout.conditions = {brittle, "true"};
    bench.pool->add_layout(layout);
    bench.pool->add_layout({});
    warm_up(bench, 100, 1);
    break_row(session, 7);
    const auto before = bench.pool->counters().syncs;
    auto one = bench.look_up(7);
    auto beside = bench.look_up_many(100, 1);
    check(bench.answered({one}) && bench.answered(beside));
    check(one->outcome.status == Status::refused);
    check_all_but(beside, {});
    check(statements_of(beside) == 1);
    check(bench.pool->counters().syncs == before + 2);
    const auto part =
        bench.ask(0, Statement::lookup_part,
                  {{token(7), true}, {bits_parameter(1)}, {bits_parameter(0)}});
    beside = bench.look_up_many(100, 1);
    check(bench.answered({part}) && bench.answered(beside));
    check(part->outcome.status == Status::refused);
    check_all_but(beside, {});
    check(bench.pool->counters().syncs == before + 4);
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
        cmocka_unit_test(a_row_that_fails_is_remembered),
        cmocka_unit_test(rows_that_fail_are_found),
        cmocka_unit_test(whoever_is_beside_stays_together),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
