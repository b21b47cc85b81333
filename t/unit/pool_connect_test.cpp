// Connecting: sockets, TCP, TLS, host names, several hosts, refused
// connections.
#include "bench.hpp"
#include "fake_server.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_connect";

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 1);
    session.run("GRANT SELECT ON users, users_tokens TO sigra");
    return 0;
}

PoolOptions options_for(const std::string& conninfo) {
    PoolOptions options;
    options.conninfo = conninfo;
    options.timeout = Milliseconds(10000);
    return options;
}

// Evaluates an expression in the session of the pool.
std::string seen(const std::string& conninfo, const std::string& expression) {
    Bench bench(options_for(conninfo));
    Layout layout;
    // The value is returned in the message of an error.
    layout.where = "(" + expression + ")::text::bytea = 'x' OR CAST(" +
                   "'=' || (" + expression + ")::text AS int) = 0";
    bench.pool->add_layout(layout);
    const auto asked = bench.look_up(1);
    check(bench.status(asked) == Status::refused);
    return asked->outcome.message;
}

void check_works(const std::string& conninfo) {
    Bench bench(options_for(conninfo));
    bench.pool->add_layout({});
    const auto all = bench.look_up_many(100);
    check(bench.answered(all), conninfo);
    check(count(all, Status::ok) == 100, conninfo);
    check(all[0]->outcome.rows.size() == 1, conninfo);
}

// Returns the error that is logged if the pool cannot connect.
std::string complaint(PoolOptions options) {
    options.timeout = Milliseconds(500);
    Bench bench(options);
    bench.pool->add_layout({});
    const auto asked = bench.look_up(1);
    check(bench.status(asked) == Status::timeout);
    // There are several attempts, but one line in the log.
    check(bench.reactor.count_logged(LogLevel::error, "") == 1);
    return bench.reactor.lines.at(0).second;
}

void connects_everywhere(void**) {
    const std::string port = server_port();
    check_works(conninfo(database));
    check_works(tcp_conninfo(database));
    check_works(tcp_conninfo(database, "localhost"));
    check_works("postgresql://sigra:" +
                std::string(std::getenv("SIGRA_TEST_PGPASSWORD")) +
                "@localhost:" + port + "/" + database);
    check_works(tcp_conninfo(database, "nowhere.invalid") +
                " hostaddr=127.0.0.1");
    setenv("PGHOST", std::getenv("SIGRA_TEST_PGHOST"), 1);
    setenv("PGPORT", port.c_str(), 1);
    check_works("user=postgres dbname=" + database);
    check_works("host='' user=postgres dbname=" + database);
    unsetenv("PGHOST");
    unsetenv("PGPORT");
}

void several_hosts(void**) {
    const std::string socket = std::getenv("SIGRA_TEST_PGHOST");
    const std::string port = server_port();
    const std::string rest = " user=postgres dbname=" + database;
    check_works("host=127.0.0.1," + socket + " port=1," + port + rest);
    check_works("host=localhost," + socket + " port=1," + port + rest);
    Bench bench(
        options_for("host=nowhere.invalid," + socket + " port=" + port + rest));
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::warn, "nowhere.invalid") == 1);
    check_works("host=/nowhere,," + socket + " port=" + port + rest);
    check_works("host=127.0.0.1," + socket + " port=1," + port +
                " target_session_attrs=read-write" + rest);
}

void tls(void**) {
    const std::string base = tcp_conninfo(database, "localhost");
    const std::string folder = server_folder();
    check_works(base + " sslmode=verify-full sslrootcert=" + folder +
                "/ca.crt");
    // Many TLS records arrive in one turn of the loop.
    Bench bench(options_for(base + " sslmode=require"));
    bench.pool->add_layout({});
    std::vector<AskedPtr> all;
    for (int i = 0; i < 1000; i++) {
        all.push_back(bench.look_up(1));
    }
    check(bench.answered(all));
    check(count(all, Status::ok) == 1000);
    const std::string wrong = complaint(options_for(
        base + " sslmode=verify-full sslrootcert=" + folder + "/other-ca.crt"));
    check(wrong.find("certificate verify failed") != std::string::npos, wrong);
    // The certificate is for localhost: the name is verified, not the address.
    const std::string other = complaint(options_for(
        tcp_conninfo(database, "other.example") +
        " hostaddr=127.0.0.1 sslmode=verify-full sslrootcert=" + folder +
        "/ca.crt"));
    check(other.find("does not match host name \"other.example\"") !=
              std::string::npos,
          other);
}

void refusals_are_logged_once_and_without_the_password(void**) {
    const std::string wrong = complaint(
        options_for("host=127.0.0.1 port=" + server_port() +
                    " user=sigra password=hunter2 dbname=" + database));
    check(wrong.find("password authentication failed") != std::string::npos,
          wrong);
    check(wrong.find("hunter2") == std::string::npos, wrong);

    std::string none = complaint(options_for(conninfo("no_such_database")));
    check(none.find("\"no_such_database\" does not exist") != std::string::npos,
          none);
    none = complaint(options_for("host=nowhere.invalid"));
    check(
        none.find("could not resolve \"nowhere.invalid\"") != std::string::npos,
        none);
    none = complaint(options_for("host=a,b port=1,2,3"));
    check(none.find("host and port") != std::string::npos, none);
}

// A server that accepts connections and never answers.
void a_connect_that_hangs(void**) {
    const ListeningSocket silent;
    PoolOptions options =
        options_for("host=127.0.0.1 port=" + silent.port() + " user=x");
    options.connect_timeout = Milliseconds(100);
    const std::string line = complaint(options);
    check(line.find("port " + silent.port() + " failed: timeout expired") !=
              std::string::npos,
          line);
}

// Each address has its own timeout, and the one that worked last is tried
// first.
void the_next_address_after_a_silent_one(void**) {
    const ListeningSocket silent;
    for (const std::string& hosts :
         {std::string("host=127.0.0.1,127.0.0.1,127.0.0.1"),
          std::string("host=a,b,c hostaddr=127.0.0.1,127.0.0.1,127.0.0.1")}) {
        PoolOptions options = options_for(tcp_conninfo(database) + " " + hosts +
                                          " port=" + silent.port() + "," +
                                          silent.port() + "," + server_port());
        options.connect_timeout = Milliseconds(1000);
        Bench bench(options);
        bench.pool->add_layout({});
        check(bench.status_of(1) == Status::ok);
        check(bench.reactor.count_logged(LogLevel::notice, "timeout expired") ==
              1);
        check(bench.reactor.count_logged(LogLevel::error, "") == 0);
        Session session(database);
        check(session.terminate() == 1);
        check(bench.reactor.run_until(
            [&] { return bench.pool->counters().open == 0; }));
        check(silent.connections() > 0);
        check(bench.status_of(1) == Status::ok);
        check(silent.connections() == 0);
    }
}

void a_name_with_several_addresses(void**) {
    const ListeningSocket silent("127.0.0.2", server_port());
    PoolOptions options = options_for(tcp_conninfo(database, "db.example"));
    options.connect_timeout = Milliseconds(1000);
    Bench bench(options);
    bench.reactor.names["db.example"] = {"127.0.0.2", "127.0.0.1"};
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    check(bench.reactor.count_logged(LogLevel::notice,
                                     "\"db.example\" (127.0.0.2), port " +
                                         server_port() +
                                         " failed: timeout expired") == 1);
}

// For COPY, libpq returns the same result forever.
void an_answer_that_is_a_copy(void**) {
    FakeServer server([](char type, const std::string&) {
        return type == 'S' ? wire_message('H', std::string(3, '\0')) : "";
    });
    PoolOptions options =
        options_for("host=127.0.0.1 user=x port=" + server.port());
    options.connections = 1;
    const std::string line = complaint(options);
    check(line.find("unexpected result from the server") != std::string::npos,
          line);
    check(server.connections() < 10, std::to_string(server.connections()));
}

void the_session_is_set_up(void**) {
    const auto setting = [](const std::string& name,
                            const std::string& more = "") {
        return seen(conninfo(database) + more,
                    "current_setting('" + name + "')");
    };
    const auto check_setting = [&](const std::string& name,
                                   const std::string& value,
                                   const std::string& more = "") {
        const std::string message = setting(name, more);
        check(message.find("\"=" + value + "\"") != std::string::npos, message);
    };
    check_setting("TimeZone", "UTC");
    check_setting("TimeZone", "UTC", " options='-c TimeZone=Asia/Tokyo'");
    check_setting("statement_timeout", "9950ms");
    check_setting("work_mem", "7MB", " options='-c work_mem=7MB'");
    check_setting("statement_timeout", "9950ms", " options='-c work_mem=7MB'");
    check_setting("application_name", "nginx auth_sigra");
    check_setting("application_name", "mine", " application_name=mine");
    check_setting("client_encoding", "UTF8", " client_encoding=LATIN1");
}

// If the server refuses a second connection, the first one is still used, and
// the pool does not retry in a busy loop.
void too_many_connections(void**) {
    Session session(database);
    session.run("ALTER ROLE sigra CONNECTION LIMIT 1");
    Bench bench(options_for(tcp_conninfo(database)));
    bench.pool->add_layout({});
    check(bench.status_of(1) == Status::ok);
    for (int i = 0; i < 300; i++) {
        std::vector<AskedPtr> all;
        for (int turn = 0; turn < 3; turn++) {
            all.push_back(bench.look_up(1));
            bench.reactor.turn();
        }
        check(bench.answered(all));
        check(count(all, Status::ok) == 3);
    }
    check(bench.reactor.count_logged(LogLevel::error, "too many conn") == 1);
    check(bench.pool->counters().open == 1);
    session.run("ALTER ROLE sigra CONNECTION LIMIT -1");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(connects_everywhere),
        cmocka_unit_test(several_hosts),
        cmocka_unit_test(tls),
        cmocka_unit_test(refusals_are_logged_once_and_without_the_password),
        cmocka_unit_test(a_connect_that_hangs),
        cmocka_unit_test(the_next_address_after_a_silent_one),
        cmocka_unit_test(a_name_with_several_addresses),
        cmocka_unit_test(an_answer_that_is_a_copy),
        cmocka_unit_test(the_session_is_set_up),
        cmocka_unit_test(too_many_connections),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
