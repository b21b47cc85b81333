// A session that takes a new token, with and without a grace for the old one.
#include "postgres/statements.hpp"

#include <algorithm>

#include "statements_renew.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_renew";

// The age of a session in seconds.
double age(Site& site, int number) {
    const std::string now = site.a.zones
                                ? "clock_timestamp()"
                                : "clock_timestamp() AT TIME ZONE 'utc'";
    return std::stod(
        site.value(number, "date_part('epoch', " + now + " - inserted_at)"));
}

void check_row(Site& site, const std::vector<Row>& rows, int number) {
    check(rows.size() == 1 && rows[0].size() == 3, site.a.title);
    if (site.has_authenticated_at) {
        check_bytes(rows[0][0],
                    site.value(number, Site::seconds(site.authenticated)),
                    site.a.title);
    } else {
        check(!rows[0][0], site.a.title);
    }
    check_bytes(rows[0][1],
                site.sessions ? site.value(number, "type") : "standard",
                site.a.title);
    const double seconds = age(site, number);
    check(seconds >= 0 && seconds < 60, site.a.title);
    check_bytes(
        site.value(number, "date_trunc('second', inserted_at) = inserted_at"),
        "t", site.a.title);
    if (site.sessions) {
        check_bytes(site.value(number, "last_active_at = inserted_at"), "t",
                    site.a.title);
    }
}

void a_renewed_session_is_the_old_one_under_a_new_token(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.session.run("SET TimeZone = 'Asia/Kathmandu'");
        site.user(ann);
        site.user(bob);
        Session listener(database);
        listener.run("LISTEN revoked");
        for (int i = 1; i <= 4; i++) {
            site.login(i, i == 4 ? bob : ann, "2 hours",
                       i == 2 ? "remember_me" : "standard");
            fill(site, i);
        }
        site.other(5, ann);

        std::string before = carried(site, 1);
        const std::string id = site.value(1, "id");
        auto rows = site.ask(Statement::renew, renewal(1, 20));
        check_row(site, rows, 20);
        check_bytes(site.value(20, "id"), id, a.title);
        check_bytes(carried(site, 20), before, a.title);
        check_bytes(site.tokens(), "2 3 4 5 20", a.title);
        check(listener.notified("revoked") ==
                  std::vector<std::string>{site.hash(1)},
              a.title);

        check(site.ask(Statement::renew, renewal(1, 21, 2)).empty(), a.title);
        check(site.ask(Statement::renew, renewal(0, 21, 2)).empty(), a.title);
        check(site.ask(Statement::renew, renewal(5, 21, 2)).empty(), a.title);
        check_bytes(site.tokens(), "2 3 4 5 20", a.title);
        check(listener.notified("revoked").empty(), a.title);

        before = carried(site, 2);
        rows = site.ask(Statement::renew, renewal(2, 21, 20));
        check_row(site, rows, 21);
        check_bytes(carried(site, 21), before, a.title);
        check_bytes(site.tokens(), "3 4 5 21", a.title);
        check(listener.notified("revoked").size() == 2, a.title);

        rows = site.ask(Statement::renew, renewal(3, 22, 4));
        check_row(site, rows, 22);
        check_bytes(site.tokens(), "4 5 21 22", "another user's stays");
        rows = site.ask(Statement::renew, renewal(22, 23, 22, true));
        check_row(site, rows, 23);
        check_bytes(site.tokens(), "4 5 21 23", a.title);
        if (site.has_authenticated_at) {
            check_bytes(site.value(23, site.authenticated + " = inserted_at"),
                        "t", a.title);
        }
        site.layout.channel = "";
        check_row(site, site.ask(Statement::renew, renewal(23, 24)), 24);
    }
}

void an_unauthenticated_session_stays_so(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        add_session(site.session, a, 1, ann, "2 hours",
                    site.sessions ? "standard" : "session");
        const auto renewed = site.ask(Statement::renew, renewal(1, 2));
        check(renewed.size() == 1 && !renewed[0][0], a.title);
        site.set(2, "inserted_at = inserted_at - interval '2 hours'");
        const auto reissued = site.ask(Statement::reissue, reissue(2, 3));
        check(reissued.size() == 1 && !reissued[0][0], a.title);
    }
}

void a_reissued_token_has_a_grace(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            Site site(database, a);
            site.session.run("SET TimeZone = 'Asia/Kathmandu'");
            site.user(ann);
            Session listener(database);
            listener.run("LISTEN revoked");
            site.login(1, ann, "2 hours", type);
            site.login(2, ann, "30 minutes", type);
            site.login(3, ann, "2 hours", type);
            fill(site, 1);
            const auto ask = [&](int old, int fresh) {
                return site.ask(Statement::reissue, reissue(old, fresh));
            };
            check(ask(2, 20).empty(), "too young");
            check(ask(9, 20).empty(), "unknown");
            check(ask(0, 20).empty(), "none");
            check(listener.notified("revoked").empty(), a.title);

            const std::string before = carried(site, 1);
            const std::string id = site.value(1, "id");
            check_row(site, ask(1, 21), 21);
            check_bytes(site.value(21, "id"), id, a.title);
            check_bytes(carried(site, 21), before, a.title);
            check_bytes(carried(site, 1), before, a.title);
            check(listener.notified("revoked") ==
                      std::vector<std::string>{site.hash(1)},
                  a.title);
            const bool longer =
                site.sessions && std::string(type) != "standard";
            const double left =
                std::stod(longer ? remember_me : standard) - age(site, 1);
            check(left > 0 && left <= 60, a.title);
            check(ask(1, 22).empty(), "in its grace");
            check(ask(21, 22).empty(), "as young as can be");
            check_bytes(site.tokens(), "1 2 3 21", a.title);

            // Both tokens are valid until the session is renewed.
            for (const int number : {1, 21}) {
                check(site.ask(Statement::lookup, {token_parameter(number)})
                              .size() == 1,
                      a.title);
            }
            check(site.ask(Statement::renew, renewal(21, 23)).size() == 1);
            check_bytes(site.tokens(), "2 3 23", a.title);
            check(listener.notified("revoked").size() == 2, a.title);
        }
    }
}

void what_is_dead_or_no_session_is_not_reissued(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "86399 seconds");
        site.login(2, ann, "90000 seconds");
        site.login(3, ann, "90000 seconds", "remember_me");
        site.other(4, ann);
        check(site.ask(Statement::reissue, reissue(1, 20)).empty(), a.title);
        check(site.ask(Statement::reissue, reissue(2, 20)).empty(), a.title);
        check(site.ask(Statement::reissue, reissue(4, 20)).empty(), a.title);
        check(site.ask(Statement::reissue, reissue(3, 20)).size() ==
                  (site.sessions ? 1 : 0),
              a.title);
    }
}

void of_many_at_once_one_is_reissued(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "2 hours");
        Crowd many(database, 20);
        for (const Statement statement :
             {Statement::reissue, Statement::renew}) {
            site.session.run("BEGIN");
            site.session.run("SELECT FROM " + site.layout.tokens +
                             " FOR UPDATE");
            const std::string sql = site.sql(statement);
            for (int i = 0; i < 20; i++) {
                many[static_cast<std::size_t>(i)].start(
                    sql, statement == Statement::reissue ? reissue(1, 2 + i)
                                                         : renewal(1, 22 + i));
            }
            Session beside(database);
            many.wait_until_blocked(beside);
            site.session.run("COMMIT");
            int won = 0;
            for (const auto& rows : many.finish()) {
                won += static_cast<int>(rows.size());
            }
            check(won == 1, a.title);
            site.session.run("DELETE FROM " + site.layout.tokens +
                             " WHERE inserted_at > now() - interval '1 hour'");
        }
    }
}

// A reissue that began a second before the winner, and waited for it.
void a_second_that_turns_makes_no_second_winner(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "2 hours");
        const std::string sql = site.sql(Statement::reissue);
        Crowd crowd(database, 1);
        Session beside(database);
        site.session.run("BEGIN");
        site.session.run("SELECT FROM " + site.layout.tokens + " FOR UPDATE");
        crowd.start(sql, reissue(1, 2));
        crowd.wait_until_blocked(beside);
        const std::string second =
            "SELECT date_trunc('second', clock_timestamp())";
        const std::string begun = beside.value(second);
        while (beside.value(second) == begun) {
        }
        check(site.session.run(sql, reissue(1, 3)).size() == 1, a.title);
        site.session.run("COMMIT");
        check(crowd.finish()[0].empty(), a.title);
        check_bytes(site.tokens(), "1 3", a.title);
    }
}

// A reissue does not wait for a transaction that changes the user: it may go on
// to delete the sessions, and would not find the row that keeps the old token.
void a_user_who_is_locked_is_not_reissued(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        site.login(1, ann, "2 hours");
        site.login(2, bob, "2 hours");
        Session beside(database);
        beside.run(
            "BEGIN; UPDATE users SET hashed_password = 'new'"
            " WHERE email = 'ann@example.com'");
        check(site.ask(Statement::reissue, reissue(1, 20)).empty(), a.title);
        check(site.ask(Statement::reissue, reissue(2, 21)).size() == 1);
        beside.run("ROLLBACK");
        check(site.ask(Statement::reissue, reissue(1, 20)).size() == 1);
        check_bytes(site.tokens(), "1 2 20 21", a.title);
    }
}

// The privileges that a role needs, as documented.
void a_role_needs_few_rights(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        const std::string& tokens = site.layout.tokens;
        for (const std::string& sql :
             {std::string("DO $$ BEGIN CREATE ROLE gate_only; EXCEPTION WHEN"
                          " duplicate_object THEN NULL; END $$"),
              "GRANT SELECT, INSERT, DELETE ON " + tokens + " TO gate_only",
              std::string(a.id) == "uuid"
                  ? std::string("SELECT 1")
                  : "GRANT USAGE ON SEQUENCE " + tokens +
                        "_id_seq TO gate_only"}) {
            site.session.run(sql);
        }
        site.login(1, ann, "2 hours");
        site.login(2, ann);
        site.login(3, ann);
        const auto failure = [&](Statement statement,
                                 const std::vector<Parameter>& parameters) {
            site.session.run("SET ROLE gate_only");
            const std::string sql = site.sql(statement);
            const std::string sqlstate = site.session.failure(sql, parameters);
            site.session.run("RESET ROLE");
            return sqlstate;
        };
        check_bytes(failure(Statement::reissue, reissue(1, 20)), "42501",
                    a.title);
        check_bytes(failure(Statement::renew, renewal(1, 20)), "42501",
                    a.title);
        site.session.run(
            "GRANT UPDATE (inserted_at, " + site.token_column +
            (site.sessions ? ", last_active_at" : "") +
            (site.has_authenticated_at ? ", " + site.authenticated : "") +
            ") ON " + tokens + " TO gate_only");
        check_bytes(failure(Statement::reissue, reissue(1, 20)), "", a.title);
        check_bytes(failure(Statement::renew, renewal(20, 21)), "", a.title);
        check_bytes(failure(Statement::take_back,
                            {token_parameter(20), token_parameter(21),
                             text("2026-01-01")}),
                    "", a.title);
        check_bytes(site.tokens(), "2 3 20", a.title);
        check_bytes(failure(Statement::renew, renewal(20, 21)), "", a.title);
        check_bytes(
            failure(Statement::logout, {token_parameter(21), token_parameter(2),
                                        text(standard), text(remember_me)}),
            "", a.title);
        check_bytes(site.tokens(), "3", a.title);
        check_bytes(failure(Statement::logout_everywhere,
                            {text(site.id(ann)), token_parameter(0),
                             token_parameter(0)}),
                    "", a.title);
        check_bytes(site.tokens(), "", a.title);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_renewed_session_is_the_old_one_under_a_new_token),
        cmocka_unit_test(an_unauthenticated_session_stays_so),
        cmocka_unit_test(a_reissued_token_has_a_grace),
        cmocka_unit_test(what_is_dead_or_no_session_is_not_reissued),
        cmocka_unit_test(of_many_at_once_one_is_reissued),
        cmocka_unit_test(a_second_that_turns_makes_no_second_winner),
        cmocka_unit_test(a_user_who_is_locked_is_not_reissued),
        cmocka_unit_test(a_role_needs_few_rights),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
