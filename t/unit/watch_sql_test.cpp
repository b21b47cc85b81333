// examples/revocation.sql with watch=: notifications of changes in a table that
// a condition reads.
#include <algorithm>
#include <cstdlib>

#include "bench.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

using Payloads = std::vector<std::string>;

const std::string database = "sigra_watch";
const std::string watch =
    "-v 'watch=memberships.user_id, billing.plans.owner_id,"
    "billing.plans.payer_id'";

// A table of memberships without a key, with a column whose type has no
// equality, and a table of plans with two columns that refer to a user.
class Tables {
  public:
    Tables() {
        fresh_database(database);
        load_schema(database, "sigra");
        {
            Session session(database);
            session.run(
                "CREATE TABLE memberships (user_id bigint, role text,"
                " data json, updated_at timestamp, last_seen_at timestamp);"
                " DROP SCHEMA IF EXISTS billing CASCADE; CREATE SCHEMA billing;"
                " CREATE TABLE billing.plans (owner_id bigint, payer_id"
                " bigint, name text);"
                " CREATE TABLE unwatched (user_id bigint)");
        }
        for (int time = 0; time < 2; time++) {
            load_revocation(database, watch + " -v ignore=last_seen_at");
        }
        session_ = std::make_unique<Session>(database);
        session_->run("LISTEN auth_sigra_revoked");
    }

    void says(const std::string& sql, Payloads expected) {
        session_->run(sql);
        Payloads actual = session_->notified();
        std::sort(actual.begin(), actual.end());
        std::sort(expected.begin(), expected.end());
        std::string text = sql + ":";
        for (const std::string& payload : actual) {
            text += " " + payload;
        }
        check(actual == expected, text);
    }
    Session& session() { return *session_; }

  private:
    std::unique_ptr<Session> session_;
};

void what_is_told() {
    Tables tables;
    tables.says(
        "INSERT INTO memberships VALUES (1, 'admin', '{}'), (2, 'a', '{}')",
        {"user:1", "user:2"});
    tables.says("UPDATE memberships SET role = 'b' WHERE user_id = 2",
                {"user:2"});
    tables.says("UPDATE memberships SET data = '[]' WHERE user_id = 1",
                {"user:1"});
    tables.says("UPDATE memberships SET user_id = 3 WHERE user_id = 2",
                {"user:2", "user:3"});
    tables.says("UPDATE memberships SET role = role", {});
    tables.says(
        "UPDATE memberships SET updated_at = now(), last_seen_at = now()", {});
    tables.says("DELETE FROM memberships WHERE user_id = 3", {"user:3"});
    tables.says("DELETE FROM memberships WHERE user_id = 3", {});
    tables.says("INSERT INTO memberships VALUES (NULL, 'x')", {});
    tables.says("BEGIN; DELETE FROM memberships; ROLLBACK", {});
    tables.says("TRUNCATE memberships", {"*"});
    Payloads all;
    for (int i = 1; i <= 1000; i++) {
        all.push_back("user:" + std::to_string(i));
    }
    tables.says(
        "INSERT INTO memberships SELECT i FROM generate_series(1, 1000) i",
        all);
    tables.says(
        "INSERT INTO memberships SELECT i FROM generate_series(1, 1001)"
        " i",
        {"*"});
    tables.says("INSERT INTO billing.plans VALUES (5, 6, 'x'), (5, 5, 'y')",
                {"user:5", "user:6"});
    tables.says("UPDATE billing.plans SET payer_id = 7 WHERE payer_id = 6",
                {"user:5", "user:6", "user:7"});
    tables.says("INSERT INTO unwatched VALUES (1)", {});
}

void a_replica_tells() {
    Tables tables;
    tables.session().run("SET session_replication_role = replica");
    const auto has = [&](const std::string& sql, const std::string& payload) {
        tables.session().run(sql);
        const Payloads told = tables.session().notified();
        check(std::find(told.begin(), told.end(), payload) != told.end(), sql);
        check(std::find(told.begin(), told.end(), "*") == told.end(), sql);
    };
    has("INSERT INTO memberships VALUES (1, 'a')", "user:1");
    has("UPDATE memberships SET role = 'b'", "user:1");
    has("DELETE FROM memberships", "user:1");
}

std::string triggers(Session& session) {
    return session.value(
        "SELECT count(*) FROM pg_trigger WHERE tgname LIKE"
        " 'auth_sigra_revoke_watched%'");
}

void what_is_watched_no_more() {
    Tables tables;
    Session& session = tables.session();
    check_bytes(triggers(session), "10");
    load_revocation(database, "-v watch=billing.plans.owner_id");
    check_bytes(triggers(session), "5");
    tables.says("INSERT INTO memberships VALUES (1)", {});
    tables.says("INSERT INTO billing.plans VALUES (5, 6, 'x')", {"user:5"});
    load_revocation(database, "");
    check_bytes(triggers(session), "0");
}

// A second layout in the same database has its own watch.
void whose_watch_it_is() {
    Tables tables;
    Session& session = tables.session();
    session.run(
        "CREATE TABLE admins (LIKE users INCLUDING ALL); CREATE TABLE"
        " admin_tokens (LIKE users_tokens INCLUDING ALL)");
    load_revocation(database,
                    "-v users=admins -v tokens=admin_tokens -v channel=admins");
    check_bytes(triggers(session), "10");
    tables.says("INSERT INTO memberships VALUES (1)", {"user:1"});
}

void what_is_refused() {
    Tables tables;
    tables.session().run("CREATE VIEW seen AS SELECT * FROM memberships");
    for (const std::string wrong : {"memberships", "nosuch.user_id",
                                    "memberships.nosuch", "seen.user_id"}) {
        const std::string command = "psql -X -q -d '" + conninfo(database) +
                                    "' -v watch=" + wrong +
                                    " -f examples/revocation.sql 2>&1 |"
                                    " grep -q ERROR";
        check(std::system(command.c_str()) == 0, wrong);
        check_bytes(triggers(tables.session()), "10", wrong);
    }
}

void partitions_are_watched(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    session.run(
        "CREATE TABLE memberships (user_id bigint, role text) PARTITION BY"
        " LIST (role); CREATE TABLE memberships_of_admins PARTITION OF"
        " memberships FOR VALUES IN ('admin')");
    load_revocation(database, "-v watch=memberships.user_id");
    session.run("LISTEN auth_sigra_revoked");
    session.run("INSERT INTO memberships VALUES (1, 'admin')");
    check(session.notified() == Payloads{"user:1"});
    session.run("DELETE FROM memberships_of_admins");
    check(session.notified() == Payloads{"user:1"});
}

template <void test()>
void run(void**) {
    test();
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(run<what_is_told>),
        cmocka_unit_test(run<a_replica_tells>),
        cmocka_unit_test(run<what_is_watched_no_more>),
        cmocka_unit_test(run<whose_watch_it_is>),
        cmocka_unit_test(run<what_is_refused>),
        cmocka_unit_test(partitions_are_watched),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
