// Each allocation fails in turn; each query is still answered, once.
#include "bench.hpp"
#include "failing_memory.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_memory";

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    Session session(database);
    add_sessions(session, 10, true);
    return 0;
}

void every_query_is_answered(void**) {
    int failures = 0;
    for (int n = 0;; n++) {
        PoolOptions options;
        options.conninfo = conninfo(database);
        options.timeout = Milliseconds(400);
        options.max_reconnect_delay = Milliseconds(1);
        options.connect_timeout = Milliseconds(300);
        Bench bench(options);
        Layout layout;
        layout.kind = LayoutKind::sigra_sessions;
        layout.tokens = "user_sessions";
        bench.pool->add_layout(layout);
        fails_after = n;
        auto all = bench.look_up_many(5);
        all.push_back(bench.write(1));
        const bool answered = bench.answered(all);
        const bool failed = fails_after < 0;
        fails_after = -1;
        check(answered, std::to_string(n));
        for (const AskedPtr& asked : all) {
            check(asked->calls == 1);
        }
        // A query that timed out may still be executed by the server.
        check(bench.reactor.run_until(
            [&] { return bench.pool->counters().inflight == 0; }));
        // The pool still works.
        check(bench.reactor.run_until(
            [&] { return bench.status_of(1) == Status::ok; }));
        if (!failed) {
            break;
        }
        failures++;
    }
    check(failures > 100, std::to_string(failures));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(every_query_is_answered),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
