// Each allocation fails in turn. If a revocation could not be handled, the
// channel is lost, and it comes back later.
#include "bench.hpp"
#include "failing_memory.hpp"
#include "observed.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_listener_memory";

// Records only what a cache must know, without allocating.
class Watchful final : public ListenerObserver {
  public:
    void listening() override { is_up = true; }
    void lost() override {
        is_up = false;
        losses++;
    }
    void revoked_token(std::string_view) override { heard++; }
    void revoked_user(std::string_view) override { heard++; }
    void revoked_all() override { heard++; }

    bool is_up = false;
    int losses = 0;
    int heard = 0;
};

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    load_revocation(database);
    return 0;
}

void nothing_is_missed(void**) {
    Session session(database);
    int failures = 0;
    for (int n = 0;; n++) {
        PollReactor reactor;
        ListenerOptions options;
        options.conninfo = conninfo(database);
        options.channel = "auth_sigra_revoked";
        options.layouts = {Layout()};
        options.connect_timeout = Milliseconds(300);
        options.max_reconnect_delay = Milliseconds(1);
        options.ping_interval = Milliseconds(10);
        options.ping_timeout = Milliseconds(300);
        Watchful cache;
        Listener listener(reactor, options, cache);
        listener.start();
        fails_after = n;
        const auto row = std::to_string(n);
        check(reactor.run_until([&] { return cache.is_up; }), row);
        session.run(
            "SELECT pg_notify('auth_sigra_revoked', p)"
            " FROM unnest('{user:1,*}'::text[] ||"
            " repeat('a', 64)) p");
        const int losses = cache.losses;
        check(reactor.run_until(
                  [&] { return cache.heard == 3 || cache.losses > losses; }),
              row);
        // A few more pings.
        reactor.run_until([] { return false; }, Milliseconds(25));
        const bool failed = fails_after < 0;
        fails_after = -1;
        check(reactor.run_until([&] { return cache.is_up; }), row);
        check(listener.up());
        if (!failed) {
            break;
        }
        failures++;
    }
    check(failures > 10, std::to_string(failures));
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_missed),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
