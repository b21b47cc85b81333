// The statement that makes a session.
#include "postgres/statements.hpp"

#include <algorithm>

#include "statements_login.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_login";

void a_login_makes_a_live_session(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        prepare(site);
        // The server's time zone does not matter.
        site.session.run("SET TimeZone = 'Asia/Kathmandu'");
        Login login{site.id(ann)};
        login.type = "remember_me";
        const auto rows = log_in(site, login);
        check(rows.size() == 1 && rows[0].size() == 2, a.title);
        check_bytes(rows[0][0], "f", a.title);
        const std::int64_t now = std::stoll(
            site.session.value("SELECT extract(epoch from now())::bigint"));
        const std::int64_t at = std::stoll(rows[0][1].value_or("0"));
        check_bytes(rows[0][1], std::to_string(at), a.title);
        check(at <= now && at > now - 60, a.title);

        const auto found =
            site.ask(Statement::lookup, {token_parameter(login.fresh)});
        check(found.size() == 1, a.title);
        const auto session = read_session(found[0]);
        check(session->age_ms >= 0 && session->age_ms < 60000, a.title);
        check_bytes(session->user_id, login.id, a.title);
        check(session->authenticated_at.value_or(at) == at, a.title);
        check(
            session->authenticated_at.has_value() == site.has_authenticated_at,
            a.title);
        check(session->remember_me == site.sessions, a.title);

        const auto whole = [&](const std::string& column) {
            return site.value(
                20, "date_trunc('second', " + column + ") = " + column);
        };
        check_bytes(whole("inserted_at"), "t", a.title);
        if (site.has_authenticated_at) {
            check_bytes(whole(site.authenticated), "t", a.title);
        }
        if (site.sessions) {
            check_bytes(whole("last_active_at"), "t", a.title);
            check_bytes(site.value(20, "type || ' ' || ip"),
                        "remember_me 192.0.2.7", a.title);
            check_bytes(site.value(20, "user_agent IS NULL"), "t", a.title);
        } else {
            check_bytes(site.value(20, "context"), "session", a.title);
            check_bytes(site.value(20, "sent_to IS NULL"), "t", a.title);
        }
    }
}

void a_login_that_no_longer_holds_changes_nothing(void**) {
    for (const Case& a : cases) {
        for (const bool writes : {false, true}) {
            Site site(database, a);
            prepare(site);
            site.layout.rehash = writes;
            site.layout.lockout = writes && a.kind != LayoutKind::phx_gen_auth;
            site.session.run("LISTEN revoked");
            site.login(1, ann);
            site.login(2, bob);
            const Login right{site.id(ann), 20, 1, 2, "x", "better"};
            const auto refused = [&](const Login& login,
                                     const std::string& what) {
                check(log_in(site, login).empty(),
                      std::string(a.title) + " " + what);
                check_bytes(site.tokens(), "1 2", a.title);
                check_bytes(site.user_value(ann, "hashed_password"), "x",
                            a.title);
            };
            Login login = right;
            login.hash = "y";
            refused(login, "another hash");
            login.hash = std::nullopt;
            refused(login, "no hash");
            login = right;
            login.id = std::string(a.id) == "uuid"
                           ? "00000000-0000-0000-0000-000000000000"
                           : "999";
            refused(login, "no such user");
            site.layout.where = "email = 'bob@example.com' -- only";
            refused(right, "where is not met");
            check(site.session.notified("revoked").empty(), a.title);

            site.layout.where = "email = 'ann@example.com' -- only";
            check(log_in(site, right).size() == 1, a.title);
            check_bytes(site.tokens(), "1 20", a.title);
            check_bytes(site.user_value(ann, "hashed_password"),
                        writes ? "better" : "x", a.title);
            check_bytes(site.user_value(bob, "hashed_password"), "x", a.title);
        }
    }
}

void a_login_resets_the_count_and_stores_a_better_hash(void**) {
    for (const bool lockout : {false, true}) {
        for (const bool rehash : {false, true}) {
            Site site(database, cases[lockout ? 0 : 6]);
            prepare(site);
            site.layout.lockout = lockout;
            site.layout.rehash = rehash;
            site.session.run(
                "UPDATE users SET failed_login_attempts = 9, locked_at ="
                " inserted_at, hashed_password = 'x'");
            const std::string count =
                "failed_login_attempts || ' ' || (locked_at IS NULL)::text"
                " || ' ' || hashed_password || ' ' || (updated_at ="
                " inserted_at)::text";
            Login login{site.id(ann)};
            check(log_in(site, login).size() == 1);
            const std::string reset = lockout ? "0 true " : "9 false ";
            check_bytes(site.user_value(ann, count), reset + "x true");
            login = {site.id(ann), 21, 0, 0, "x", "better"};
            check(log_in(site, login).size() == 1);
            check_bytes(site.user_value(ann, count),
                        reset + (rehash ? "better" : "x") + " true");
            check_bytes(site.user_value(bob, count), "9 false x true");
        }
    }
}

void a_login_that_lacks_its_second_factor_is_no_session(void**) {
    for (const Case& a : cases) {
        if (a.kind != LayoutKind::sigra_sessions) {
            continue;
        }
        Site site(database, a);
        prepare(site);
        Login login{site.id(ann)};
        login.type = "mfa_pending";
        check(log_in(site, login).size() == 1);
        check_bytes(site.value(20, "type || (sudo_at IS NULL)::text"),
                    "mfa_pendingtrue", a.title);
        check(site.ask(Statement::lookup, {token_parameter(20)}).empty());
        // It is replaced as any other, and is never a valid session.
        check(log_in(site, {site.id(ann), 21, 20}).size() == 1);
        check_bytes(site.tokens(), "21", a.title);
        check_bytes(site.value(21, "type || (sudo_at IS NULL)::text"),
                    "standardfalse", a.title);
        login = {site.id(ann), 22, 21};
        login.type = "mfa_pending";
        check(log_in(site, login).size() == 1);
        check_bytes(site.tokens(), "22", a.title);
        check_bytes(site.value(22, "type || (sudo_at IS NULL)::text"),
                    "mfa_pendingtrue", a.title);
    }
}

// The users row has changed when the statement gets its lock.
void a_password_that_changes_meanwhile_is_noticed(void**) {
    for (const Case& a : cases) {
        for (const bool lockout : {false, true}) {
            for (const char* change :
                 {"UPDATE users SET hashed_password = 'new' WHERE email = ",
                  "DELETE FROM users WHERE email = "}) {
                if (lockout && a.kind == LayoutKind::phx_gen_auth) {
                    continue;
                }
                Site site(database, a);
                prepare(site);
                site.layout.lockout = lockout;
                site.login(1, bob);
                const std::string id = site.id(ann);
                Crowd crowd(database, 1);
                site.session.run("BEGIN");
                site.session.run(std::string(change) + "'" + ann + "'");
                crowd.start(site.sql(Statement::login),
                            parameters(site, {id, 20, 1}));
                Session beside(database);
                crowd.wait_until_blocked(beside);
                site.session.run("COMMIT");
                check(crowd.finish()[0].empty(), change);
                check_bytes(site.tokens(), "1", change);
            }
        }
    }
}

// An application that changes a password also deletes a session that a
// concurrent login makes.
void a_login_is_waited_for_by_a_change_of_the_password(void**) {
    for (const Case& a : cases) {
        for (const int replaced : {0, 1}) {
            Site site(database, a);
            prepare(site);
            site.login(1, ann);
            const std::string sql = site.sql(Statement::login);
            const std::string id = site.id(ann);
            Crowd crowd(database, 1);
            site.session.run("BEGIN");
            check(site.session.run(sql, parameters(site, {id, 20, replaced}))
                          .size() == 1,
                  a.title);
            crowd.start(
                "DO $$ BEGIN UPDATE users SET hashed_password = 'new'"
                " WHERE id = '" +
                    id + "'; DELETE FROM " + site.layout.tokens +
                    " WHERE user_id = '" + id + "'; END $$",
                {});
            Session beside(database);
            crowd.wait_until_blocked(beside);
            site.session.run("COMMIT");
            crowd.finish();
            check_bytes(site.tokens(), "", a.title);
        }
    }
}

void a_login_needs_no_right_that_it_does_not_use(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        prepare(site);
        site.login(1, ann);
        site.session.run(
            "DO $$ BEGIN CREATE ROLE login_only; EXCEPTION WHEN"
            " duplicate_object THEN NULL; END $$");
        site.session.run(
            "GRANT SELECT (id, email, hashed_password) ON users"
            " TO login_only");
        site.session.run("GRANT SELECT, INSERT, UPDATE, DELETE ON " +
                         site.layout.tokens + " TO login_only");
        const bool sequence = std::string(a.id) == "bigint";
        const auto as_role = [&](const Login& login) {
            site.session.run("SET ROLE login_only");
            const std::string statement = site.sql(Statement::login);
            const std::string failure =
                site.session.failure(statement, parameters(site, login));
            site.session.run("RESET ROLE");
            return failure;
        };
        const Login login{site.id(ann), 20, 1};
        if (sequence) {
            check_bytes(as_role(login), "42501", a.title);
            site.session.run("GRANT USAGE ON SEQUENCE " + site.layout.tokens +
                             "_id_seq TO login_only");
        }
        check_bytes(as_role(login), "", a.title);
        check_bytes(site.tokens(), "1 20", a.title);

        site.layout.rehash = true;
        check_bytes(as_role({site.id(ann), 21}), "42501", a.title);
        site.session.run(
            "GRANT UPDATE (hashed_password) ON users"
            " TO login_only");
        check_bytes(as_role({site.id(ann), 21}), "", a.title);
        if (a.kind != LayoutKind::phx_gen_auth) {
            site.layout.lockout = true;
            check_bytes(as_role({site.id(ann), 22}), "42501", a.title);
            site.session.run(
                "GRANT UPDATE (failed_login_attempts, locked_at) ON users"
                " TO login_only");
            check_bytes(as_role({site.id(ann), 22}), "", a.title);
        }
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_login_makes_a_live_session),
        cmocka_unit_test(a_login_that_no_longer_holds_changes_nothing),
        cmocka_unit_test(a_login_resets_the_count_and_stores_a_better_hash),
        cmocka_unit_test(a_login_that_lacks_its_second_factor_is_no_session),
        cmocka_unit_test(a_password_that_changes_meanwhile_is_noticed),
        cmocka_unit_test(a_login_is_waited_for_by_a_change_of_the_password),
        cmocka_unit_test(a_login_needs_no_right_that_it_does_not_use),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
