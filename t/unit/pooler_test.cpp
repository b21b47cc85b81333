// Behind pgbouncer in transaction mode, if it is installed.
#include <fcntl.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "bench.hpp"
#include "observed.hpp"
#include "postgres/pool.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_pooler";
const char* const program = "/usr/sbin/pgbouncer";

// A pgbouncer with two server connections for all clients, in a temporary
// directory.
class Bouncer {
  public:
    Bouncer() {
        char name[] = "/tmp/sigra-pooler.XXXXXX";
        check(mkdtemp(name) != nullptr);
        folder_ = name;
        const passwd* other = getuid() == 0 ? getpwnam("postgres") : nullptr;
        std::ofstream(folder_ + "/users") << "\"postgres\" \"\"\n";
        std::ofstream(folder_ + "/ini")
            << "[databases]\n* = host=" << std::getenv("SIGRA_TEST_PGHOST")
            << " port=" << server_port() << "\n[pgbouncer]\n"
            << "unix_socket_dir = " << folder_ << "\nlisten_port = 6432\n"
            << "auth_type = trust\nauth_file = " << folder_ << "/users\n"
            << "pool_mode = transaction\ndefault_pool_size = 2\n"
            << "logfile = " << log() << "\n"
            << "pidfile =\n";
        if (other) {
            check(chown(name, other->pw_uid, other->pw_gid) == 0);
        }
        pid_ = fork();
        if (pid_ == 0) {
            const int null = open("/dev/null", O_RDWR);
            dup2(null, 1);
            dup2(null, 2);
            const std::string ini = folder_ + "/ini";
            if (other) {
                execl(program, program, "-u", "postgres", ini.c_str(), nullptr);
            } else {
                execl(program, program, ini.c_str(), nullptr);
            }
            _exit(127);
        }
        PollReactor reactor;
        check(reactor.run_until([this] {
            return access((folder_ + "/.s.PGSQL.6432").c_str(), F_OK) == 0;
        }));
    }
    ~Bouncer() {
        kill(pid_, SIGTERM);
        waitpid(pid_, nullptr, 0);
        (void)!std::system(("rm -rf " + folder_).c_str());
    }

    [[nodiscard]] PoolOptions options(bool prepare) const {
        PoolOptions options;
        options.conninfo =
            "host=" + folder_ + " port=6432 user=postgres dbname=" + database;
        options.timeout = Milliseconds(10000);
        options.prepare = prepare;
        return options;
    }
    [[nodiscard]] std::string logged() const {
        std::stringstream text;
        text << std::ifstream(log()).rdbuf();
        return text.str();
    }

  private:
    [[nodiscard]] std::string log() const { return folder_ + "/log"; }

    std::string folder_;
    pid_t pid_;
};

int set_up(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 10);
    return 0;
}

void works_without_prepared_statements(void**) {
    if (access(program, X_OK) != 0) {
        skip();
    }
    const Bouncer bouncer;
    Bench one(bouncer.options(false));
    Bench two(bouncer.options(false));
    Layout in_utc;
    in_utc.where = "current_setting('TimeZone') IN ('UTC', 'Etc/UTC')";
    one.pool->add_layout(in_utc);
    two.pool->add_layout({});
    for (int i = 0; i < 10; i++) {
        const auto first = one.look_up_many(100);
        const auto second = two.look_up_many(100);
        one.reactor.turn();
        check(two.answered(second));
        check(one.answered(first));
        check(count(first, Status::ok) == 100);
        check(count(second, Status::ok) == 100);
        for (int n = 0; n < 10; n++) {
            check(first[n]->outcome.rows.size() == 1);
            check_bytes(read_session(second[n]->outcome.rows.at(0))->email,
                        std::to_string(n + 1) + "@example.com");
        }
    }
    // Settings are not left to the other clients of a server connection.
    Session session(database);
    check(session.value("SELECT count(*) FROM pg_stat_activity WHERE query"
                        " LIKE '%statement_timeout%'"
                        " AND pid <> pg_backend_pid()") == "0");
    // Each pool sends the startup parameter that a pooler refuses only once.
    const std::string log = bouncer.logged();
    int refusals = 0;
    for (std::size_t at = 0; (at = log.find("closing because: unsupported",
                                            at)) != std::string::npos;
         at++) {
        refusals++;
    }
    check(refusals == 2, std::to_string(refusals) + " refusals: " + log);
    check(one.reactor.count_logged(LogLevel::error, "") == 0);
}

// Named statements with pgbouncer below 1.21: queries fail, but none gets the
// answer of another client's statement.
void prepared_statements_are_never_mixed_up(void**) {
    if (access(program, X_OK) != 0) {
        skip();
    }
    const Bouncer bouncer;
    std::vector<std::unique_ptr<Bench>> benches;
    for (int i = 0; i < 3; i++) {
        benches.push_back(std::make_unique<Bench>(bouncer.options(true)));
        Layout layout;
        layout.where = "u.email <> '" + std::to_string(i) + "@example.com'";
        benches.back()->pool->add_layout(layout);
    }
    for (int round = 0; round < 20; round++) {
        std::vector<std::vector<AskedPtr>> all;
        for (auto& bench : benches) {
            all.push_back(bench->look_up_many(3));
            bench->reactor.turn();
        }
        for (std::size_t i = 0; i < all.size(); i++) {
            check(benches[i]->answered(all[i]));
            for (std::size_t n = 0; n < 3; n++) {
                const Outcome& outcome = all[i][n]->outcome;
                check(outcome.status == Status::ok ||
                          outcome.status == Status::refused,
                      outcome.message);
                check(outcome.status != Status::ok ||
                      outcome.rows.size() == (n + 1 == i ? 0 : 1));
            }
        }
    }
}

// Behind a pooler, the next client gets the session that listens.
void a_listener_wants_no_pooler(void**) {
    if (access(program, X_OK) != 0) {
        skip();
    }
    const Bouncer bouncer;
    load_revocation(database);
    PollReactor reactor;
    ListenerOptions options;
    options.conninfo = bouncer.options(false).conninfo;
    options.channel = "auth_sigra_revoked";
    options.layouts = {Layout()};
    const Observed observed(reactor, options);
    check(reactor.run_until([&] { return reactor.logged("a pooler"); }));
    check(!observed.listener->up() && observed.said.empty());
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(works_without_prepared_statements),
        cmocka_unit_test(prepared_statements_are_never_mixed_up),
        cmocka_unit_test(a_listener_wants_no_pooler),
    };
    return cmocka_run_group_tests(tests, set_up, nullptr);
}
