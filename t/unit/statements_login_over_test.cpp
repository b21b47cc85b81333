// A login that replaces a session: which rows are deleted, and which one takes
// the new token.
#include <algorithm>

#include "postgres/statements.hpp"
#include "statements_login.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_login_over";

void what_a_login_replaces_is_gone(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        prepare(site);
        Session listener(database);
        listener.run("LISTEN revoked");
        const auto expect = [&](const std::string& tokens,
                                std::vector<int> notified,
                                const std::string& what) {
            const std::string row = std::string(a.title) + " " + what;
            check_bytes(site.tokens(), tokens, row);
            std::vector<std::string> hashes;
            for (const int number : notified) {
                hashes.push_back(site.hash(number));
            }
            std::sort(hashes.begin(), hashes.end());
            check(listener.notified("revoked") == hashes, row);
        };
        const auto remembered = [&](const Login& login) {
            const auto rows = log_in(site, login);
            check(rows.size() == 1, a.title);
            return rows[0][0].value_or("");
        };
        site.login(1, ann);
        site.login(2, ann);
        site.login(3, bob);
        site.login(4, bob);
        site.other(5, bob);

        check_bytes(remembered({site.id(ann), 20}), "f", a.title);
        expect("1 2 3 4 5 20", {}, "nothing to replace");
        check_bytes(remembered({site.id(ann), 21, 9, 9}), "f", a.title);
        expect("1 2 3 4 5 20 21", {}, "unknown tokens");
        check_bytes(remembered({site.id(ann), 22, 1, 2}), "t", a.title);
        expect("1 2 3 4 5 20 21 22", {1}, "remembered as the same user");
        check_bytes(remembered({site.id(ann), 23, 2, 2}), "f", a.title);
        expect("1 2 3 4 5 20 21 22 23", {2}, "one row in both cookies");
        check_bytes(remembered({site.id(ann), 24, 3, 4}), "f", a.title);
        expect("1 2 5 20 21 22 23 24", {3, 4}, "another user's");
        if (!site.sessions) {
            check_bytes(remembered({site.id(ann), 25, 5, 5}), "f", a.title);
            expect("1 2 5 20 21 22 23 24 25", {}, "no session's");
        }

        site.layout.channel = "";
        check_bytes(remembered({site.id(ann), 26, 20, 0}), "f", a.title);
        check(listener.notified("revoked").empty(), "no channel");
    }
}

void a_replaced_session_goes_with_its_kin(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            Site site(database, a);
            prepare(site);
            for (int i = 1; i <= 2; i++) {
                site.login(i, i == 1 ? ann : bob, "2 hours", type);
                check(site.ask(Statement::reissue,
                               {token_parameter(i), token_parameter(10 + i),
                                text("3600"), text("86400"), text("5184000")})
                              .size() == 1,
                      a.title);
            }
            site.login(3, ann);
            check(log_in(site, {site.id(ann), 20, 11, 2}).size() == 1);
            // The older of two old tokens is deleted.
            check_bytes(site.tokens(), "3 11 20", a.title);
        }
    }
}

// The same user's session keeps its row; its other columns change.
void a_login_by_the_same_user_rotates(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            Site site(database, a);
            prepare(site);
            site.session.run("SET TimeZone = 'Asia/Kathmandu'");
            site.login(1, ann, "2 hours", type);
            site.set(1, site.sessions ? "ip = '192.0.2.1', user_agent = 'old'"
                                      : "sent_to = 'ann@example.com'");
            const std::string whole = site.sessions
                                          ? "row(user_id, ip, user_agent, type,"
                                            " last_active_at, sudo_at)"
                                          : "row(user_id, context, sent_to)";
            const std::string id = site.value(1, "id");
            const std::string before = site.value(1, whole);
            const auto rows = log_in(site, {site.id(ann), 20, 1});
            check(rows.size() == 1, a.title);
            check_bytes(site.tokens(), "1 20", a.title);
            check_bytes(site.value(20, "id"), id, a.title);
            check_bytes(site.value(1, whole), before, a.title);
            if (site.sessions) {
                check_bytes(site.value(20,
                                       "type || ' ' || ip || ' ' ||"
                                       " (user_agent IS NULL)::text"),
                            "standard 192.0.2.7 true", a.title);
                check_bytes(site.value(20, "last_active_at = inserted_at"), "t",
                            a.title);
            }
            if (site.has_authenticated_at) {
                check_bytes(site.value(20, Site::seconds(site.authenticated)),
                            rows[0][1], a.title);
            }
            const bool longer =
                site.sessions && std::string(type) != "standard";
            const std::string left =
                std::string(longer ? "5184000" : "86400") +
                " - date_part('epoch', (" +
                (a.zones ? "clock_timestamp()"
                         : "clock_timestamp() AT TIME ZONE 'utc'") +
                ") - inserted_at) BETWEEN 0 AND 60";
            check_bytes(site.value(1, left), "t", a.title);

            // A late login with the old token makes a new session.
            check(log_in(site, {site.id(ann), 21, 1}).size() == 1, a.title);
            check_bytes(site.tokens(), "1 20 21", a.title);
            check_bytes(site.value(20, "id"), id, a.title);
            check_bytes(site.value(1, whole), before, a.title);
            // A log-out finds both rows of a session.
            check(site.ask(Statement::logout,
                           {token_parameter(20), token_parameter(0),
                            text("86400"), text("5184000")})
                          .size() == 2,
                  a.title);
        }
    }
}

void a_dead_session_is_not_kept_alive_by_a_login(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        prepare(site);
        site.login(1, ann, "86401 seconds");
        site.login(2, ann, "86370 seconds");
        const std::string id = site.value(1, "id");
        check(log_in(site, {site.id(ann), 20, 1}).size() == 1, a.title);
        check_bytes(site.tokens(), "2 20", a.title);
        check_bytes(site.value(20, "id"), id, a.title);
        // Such a row may be a session's or only keep an old token.
        check(log_in(site, {site.id(ann), 21, 2}).size() == 1, a.title);
        check_bytes(site.tokens(), "2 20 21", a.title);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_a_login_replaces_is_gone),
        cmocka_unit_test(a_replaced_session_goes_with_its_kin),
        cmocka_unit_test(a_login_by_the_same_user_rotates),
        cmocka_unit_test(a_dead_session_is_not_kept_alive_by_a_login),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
