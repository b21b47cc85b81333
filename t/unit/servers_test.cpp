// Two servers in one connection string: which one answers, and what happens
// when it no longer accepts writes.
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "bench.hpp"
#include "observed.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_servers";

Layout layout() {
    Layout layout;
    layout.kind = LayoutKind::sigra_sessions;
    layout.tokens = "user_sessions";
    return layout;
}

void make_tables() {
    fresh_database(database);
    load_schema(database, "sigra_sessions");
    load_revocation(database, "-v schema=sigra_sessions");
    Session session(database);
    add_sessions(session, 5, true);
    session.run(
        "GRANT SELECT, UPDATE, DELETE ON users, user_sessions TO sigra");
}

void make_read_only(bool read_only) {
    Session session(database);
    session.run(read_only
                    ? "ALTER SYSTEM SET default_transaction_read_only = on"
                    : "SET default_transaction_read_only = off");
    if (!read_only) {
        session.run("ALTER SYSTEM RESET default_transaction_read_only");
    }
    session.run("SELECT pg_reload_conf()");
    const std::string wanted = read_only ? "on" : "off";
    PollReactor reactor;
    check(reactor.run_until([&] {
        return Session(database).value("SHOW transaction_read_only") == wanted;
    }));
}

// A second cluster.
class OtherCluster {
  public:
    OtherCluster() : first_port_(server_port()) {
        char name[] = "/tmp/sigra-other.XXXXXX";
        check(mkdtemp(name) != nullptr);
        folder_ = name;
        run("start");
        std::ifstream(folder_ + "/port") >> port_;
        within([] { make_tables(); });
    }
    ~OtherCluster() {
        run("stop");
        (void)!std::system(("rm -rf " + folder_).c_str());
    }
    OtherCluster(const OtherCluster&) = delete;
    OtherCluster& operator=(const OtherCluster&) = delete;

    // Runs `call` with the helpers of server.hpp using this cluster.
    template <class Call>
    void within(const Call& call) const {
        const std::string host = std::getenv("SIGRA_TEST_PGHOST");
        setenv("SIGRA_TEST_PGHOST", (folder_ + "/socket").c_str(), 1);
        setenv("SIGRA_TEST_PGPORT", port_.c_str(), 1);
        call();
        setenv("SIGRA_TEST_PGHOST", host.c_str(), 1);
        setenv("SIGRA_TEST_PGPORT", first_port_.c_str(), 1);
    }
    // A connection string with both clusters, this one as the second.
    [[nodiscard]] std::string both() const {
        return tcp_conninfo(database, "127.0.0.1,127.0.0.1") +
               " port=" + first_port_ + "," + port_;
    }

  private:
    void run(const std::string& command) const {
        check(std::system(("t/lib/private-postgres " + command + " " + folder_)
                              .c_str()) == 0);
    }

    std::string first_port_;
    std::string folder_;
    std::string port_;
};

PoolOptions options_for(const std::string& conninfo) {
    PoolOptions options;
    options.conninfo = conninfo;
    options.timeout = Milliseconds(20000);
    options.max_reconnect_delay = Milliseconds(500);
    return options;
}

ListenerOptions listener_options(const std::string& conninfo) {
    ListenerOptions options;
    options.conninfo = conninfo;
    options.channel = "auth_sigra_revoked";
    options.layouts = {layout()};
    options.max_reconnect_delay = Milliseconds(200);
    options.ping_interval = Milliseconds(200);
    options.ping_timeout = Milliseconds(20000);
    return options;
}

int set_up(void**) {
    make_tables();
    return 0;
}

void a_server_is_known_by_whatever_way(void**) {
    const OtherCluster other;
    PollReactor reactor;
    Observed socket(reactor, listener_options(conninfo(database)));
    check(socket.says({"up"}));
    Observed tcp(reactor, listener_options(tcp_conninfo(database)));
    check(tcp.says({"up"}));
    const std::uint64_t server = socket.listener->server();
    check(server != 0 && tcp.listener->server() == server);
    const auto answering = [](const std::string& conninfo) {
        Bench bench(options_for(conninfo));
        bench.pool->add_layout(layout());
        const auto asked = bench.look_up(1);
        check(bench.status(asked) == Status::ok);
        return asked->outcome.server;
    };
    check(answering(conninfo(database)) == server);
    check(answering(tcp_conninfo(database)) == server);
    other.within([&] {
        const std::uint64_t second = answering(conninfo(database));
        check(second != 0 && second != server);
        check(answering(tcp_conninfo(database)) == second);
    });
    // After a restart it counts as another server: notifications were lost.
    private_postgres("restart");
    check(socket.says({"down", "up"}));
    check(socket.listener->server() != server);
    check(answering(conninfo(database)) == socket.listener->server());
}

// A role may have no right to read the system identifier.
void without_the_system_identifier(void**) {
    Session session(database);
    session.run("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    PollReactor reactor;
    Observed observed(reactor, listener_options(tcp_conninfo(database)));
    check(observed.says({"up"}));
    Bench bench(options_for(tcp_conninfo(database)));
    bench.pool->add_layout(layout());
    const auto asked = bench.look_up(1);
    check(bench.status(asked) == Status::ok);
    check(asked->outcome.server == observed.listener->server());
    check(asked->outcome.server != 0);
    session.run("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC");
}

// A write that the demoted server refused is repeated on the other one.
void a_server_that_is_demoted(void**) {
    for (const char* attributes : {" target_session_attrs=read-write", ""}) {
        make_tables();
        const OtherCluster other;
        Bench bench(options_for(other.both() + attributes));
        bench.pool->add_layout(layout());
        auto write = bench.write(1);
        check(bench.status(write) == Status::ok);
        const std::uint64_t first = write->outcome.server;
        make_read_only(true);
        // A backend may apply the setting a moment later.
        check(bench.reactor.run_until([&] {
            write = bench.write(1);
            check(bench.status(write) == Status::ok, write->outcome.message);
            return write->outcome.server != first;
        }));
        const auto read = bench.look_up(1);
        check(bench.status(read) == Status::ok);
        check(read->outcome.server == write->outcome.server);
        check(bench.reactor.count_logged(LogLevel::error,
                                         "no longer accepts writes") == 1);
        make_read_only(false);
    }
}

// If there is no other server, the error is returned, without endless retries.
void a_server_that_never_took_writes(void**) {
    make_tables();
    Bench turned(options_for(tcp_conninfo(database)));
    turned.pool->add_layout(layout());
    check(turned.status_of(1) == Status::ok);
    make_read_only(true);
    AskedPtr write;
    check(turned.reactor.run_until([&] {
        write = turned.write(1);
        return turned.status(write) != Status::ok;
    }));
    check(write->outcome.status == Status::refused &&
          write->outcome.sqlstate == "25006");
    check(turned.pool->counters().connects == 2);
    Bench always(options_for(tcp_conninfo(database)));
    always.pool->add_layout(layout());
    for (int i = 0; i < 3; i++) {
        write = always.write(1);
        check(always.status(write) == Status::refused);
        check(write->outcome.sqlstate == "25006");
        check(always.status_of(1) == Status::ok);
    }
    check(always.pool->counters().connects == 1);
    make_read_only(false);
}

void a_listener_leaves_it_too(void**) {
    make_tables();
    const OtherCluster other;
    PollReactor reactor;
    Observed observed(
        reactor,
        listener_options(other.both() + " target_session_attrs=read-write"));
    check(observed.says({"up"}));
    const std::uint64_t first = observed.listener->server();
    make_read_only(true);
    check(observed.says({"down", "up"}));
    check(observed.listener->server() != first);
    check(reactor.logged("the server no longer accepts writes"));
    other.within([] {
        Session(database).run("SELECT pg_notify('auth_sigra_revoked', '*')");
    });
    check(observed.says({"*"}));
    make_read_only(false);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_server_is_known_by_whatever_way),
        cmocka_unit_test(without_the_system_identifier),
        cmocka_unit_test(a_server_that_is_demoted),
        cmocka_unit_test(a_server_that_never_took_writes),
        cmocka_unit_test(a_listener_leaves_it_too),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
