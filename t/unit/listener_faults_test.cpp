// The listener when its connection is lost, or its server is silent or down.
#include <fstream>

#include "bench.hpp"
#include "fake_server.hpp"
#include "observed.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_listener_faults";
const std::string channel = "auth_sigra_revoked";

ListenerOptions options() {
    ListenerOptions options;
    options.conninfo = conninfo(database);
    options.channel = channel;
    options.layouts = {Layout()};
    options.max_reconnect_delay = Milliseconds(200);
    return options;
}

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    load_revocation(database);
    Session session(database);
    add_sessions(session, 10);
    return 0;
}

void check_hears(Observed& observed) {
    Session(database).run("SELECT pg_notify('" + channel + "', '*')");
    check(observed.says({"*"}));
}

void a_killed_backend(void**) {
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    Session session(database);
    for (int i = 0; i < 5; i++) {
        check(session.terminate() == 1);
        // It reconnects at once, because the last connection had worked.
        check(reactor.run_until([&] { return observed.said.size() == 2; },
                                Milliseconds(10000)));
        check(observed.said == std::vector<std::string>{"down", "up"});
        observed.said.clear();
        check_hears(observed);
    }
    check(reactor.logged("revocation channel down: "));
    check(reactor.logged("revocation channel restored"));
}

// The server sends nothing and does not close the connection.
void a_frozen_server(void**) {
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    private_postgres("freeze");
    const bool down = observed.says({"down"});
    const bool up = observed.listener->up();
    private_postgres("thaw");
    check(down && !up);
    check(reactor.logged("no answer from the server in time"));
    check(observed.says({"up"}));
    check_hears(observed);
}

void a_server_that_is_away(void**) {
    PollReactor reactor;
    private_postgres("stop");
    Observed observed(reactor, options());
    check(reactor.run_until([&] { return reactor.logged("channel down"); }));
    // It retries many times, and logs the error once.
    reactor.run_until([] { return false; }, Milliseconds(1000));
    check(reactor.count_logged(LogLevel::error, "") == 1);
    check(observed.said.empty());
    check(!reactor.kept_alive());
    private_postgres("start");
    check(observed.says({"up"}));
    check(reactor.count_logged(LogLevel::notice, "restored") == 1);
    check_hears(observed);
    private_postgres("restart");
    check(observed.says({"down", "up"}));
    check_hears(observed);
}

// It retries forever, but not in a busy loop: at most ten times a second.
void a_server_that_refuses(void**) {
    PollReactor reactor;
    ListenerOptions wrong = options();
    wrong.conninfo = conninfo("nowhere");
    wrong.max_reconnect_delay = Milliseconds(10000);
    const Observed observed(reactor, wrong);
    int turns = 0;
    reactor.run_until(
        [&] {
            turns++;
            return false;
        },
        Milliseconds(500));
    check(reactor.count_logged(LogLevel::error, "does not exist") == 1);
    check(turns < 500, std::to_string(turns));

    PollReactor other;
    ListenerOptions malformed = options();
    malformed.conninfo = "no such thing";
    Observed never(other, malformed);
    check(other.run_until([&] { return other.logged("channel down"); }));
    check(never.said.empty());
}

// For COPY, libpq returns the same result forever.
void an_answer_that_is_a_copy(void**) {
    for (const char kind : {'G', 'H', 'W'}) {
        FakeServer server([kind](char, const std::string&) {
            return wire_message(kind, std::string(3, '\0'));
        });
        PollReactor reactor;
        ListenerOptions wrong = options();
        wrong.conninfo = "host=127.0.0.1 user=x port=" + server.port();
        const Observed observed(reactor, wrong);
        check(reactor.run_until([&] {
            return reactor.logged("unexpected result from the server");
        }));
        check(observed.said.empty());
    }
}

// The first address does not answer; the second is the server.
void the_next_address(void**) {
    const ListeningSocket silent;
    PollReactor reactor;
    ListenerOptions several = options();
    several.connect_timeout = Milliseconds(1000);
    several.conninfo = tcp_conninfo(database, "127.0.0.1,127.0.0.1") +
                       " port=" + silent.port() + "," + server_port();
    Observed observed(reactor, several);
    check(observed.says({"up"}));
    // The next time, the second address is tried first.
    check(silent.connections() > 0);
    check(Session(database).terminate() == 1);
    check(observed.says({"down", "up"}));
    check(silent.connections() == 0);
}

// A standby refuses LISTEN.
void a_standby_that_is_promoted(void**) {
    private_postgres("stop");
    std::ofstream(server_folder() + "/data/standby.signal").flush();
    private_postgres("start");
    PollReactor reactor;
    Observed observed(reactor, options());
    check(reactor.run_until([&] { return reactor.logged("channel down"); }));
    reactor.run_until([] { return false; }, Milliseconds(1000));
    check(reactor.count_logged(LogLevel::error, "cannot execute LISTEN") == 1);
    check(reactor.count_logged(LogLevel::error, "") == 1);
    check(observed.said.empty());
    Session(database).run("SELECT pg_promote()");
    check(observed.says({"up"}));
    check_hears(observed);
}

void a_role_that_may_not_look(void**) {
    Session session(database);
    session.run("CREATE ROLE blind LOGIN");
    session.run("REVOKE USAGE ON SCHEMA public FROM PUBLIC");
    PollReactor reactor;
    ListenerOptions blind = options();
    blind.conninfo += " user=blind";
    Observed observed(reactor, blind);
    check(reactor.run_until(
        [&] { return reactor.logged("run examples/revocation.sql"); }));
    check(!observed.listener->up());
    session.run("GRANT USAGE ON SCHEMA public TO PUBLIC");
    reactor.advance(Milliseconds(2000));
    check(observed.says({"up"}));
    check_hears(observed);
    observed.listener.reset();
    reactor.turn();
    session.terminate();
    session.run("DROP ROLE blind");
}

void a_worker_that_shuts_down(void**) {
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    // A worker that shuts down still serves requests and needs revocations.
    reactor.close_idle();
    check(observed.listener->up());
    check(!reactor.kept_alive());
    check_hears(observed);
}

void an_observer_out_of_memory(void**) {
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    int failures = 2;
    observed.then = [&](const std::string& what) {
        if (what != "up" && failures-- > 0) {
            throw std::bad_alloc();
        }
    };
    Session(database).run("SELECT pg_notify('" + channel + "', '*')");
    // The observer throws on the revocation, and on the loss that follows.
    check(observed.says({"*", "down", "up"}));
    observed.then = nullptr;
    check_hears(observed);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_backend),
        cmocka_unit_test(a_frozen_server),
        cmocka_unit_test(a_server_that_is_away),
        cmocka_unit_test(a_server_that_refuses),
        cmocka_unit_test(an_answer_that_is_a_copy),
        cmocka_unit_test(the_next_address),
        cmocka_unit_test(a_standby_that_is_promoted),
        cmocka_unit_test(a_role_that_may_not_look),
        cmocka_unit_test(a_worker_that_shuts_down),
        cmocka_unit_test(an_observer_out_of_memory),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
