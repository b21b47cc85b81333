// Only rows of expired sessions are deleted.
#include "postgres/statements.hpp"

#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_prune";
const std::string ann = "ann@example.com";
const std::string bob = "bob@example.com";
constexpr int hour = 3600;

std::string prune(Site& site, int batch = 1000, int standard = 2 * hour,
                  int remember_me = 24 * hour) {
    const auto rows =
        site.ask(Statement::prune, {text(std::to_string(standard)),
                                    text(std::to_string(remember_me)),
                                    text(std::to_string(batch))});
    check(rows.size() == 1 && rows[0].size() == 1 && rows[0][0]);
    return rows[0][0].value_or("");
}

void what_has_expired_goes(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        site.login(1, ann, "1 hour");
        site.login(2, ann, "119 minutes");
        site.login(3, ann, "121 minutes");
        site.login(4, bob, "300 days");
        site.login(5, bob, "23 hours", "remember_me");
        site.login(6, bob, "25 hours", "remember_me");
        site.other(7, bob);
        site.session.run("LISTEN auth_sigra_revoked");
        site.layout.channel = "auth_sigra_revoked";
        // Without types, all have the same lifetime.
        check_bytes(prune(site), site.sessions ? "3" : "4", a.title);
        check_bytes(site.tokens(), site.sessions ? "1 2 5 7" : "1 2 7",
                    a.title);
        check(site.session.notified().size() == (site.sessions ? 3 : 4),
              a.title);
        check_bytes(prune(site), "0", a.title);
        check(site.session.notified().empty(), a.title);
    }
}

void so_many_at_once(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    for (int i = 1; i <= 7; i++) {
        site.login(i, ann, "3 hours");
    }
    check_bytes(prune(site, 3), "3");
    check_bytes(prune(site, 3), "3");
    check_bytes(prune(site, 3), "1");
    check_bytes(prune(site, 3), "0");
}

// It waits neither for a locked row nor for another node.
void what_others_hold_is_left(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    site.login(1, ann, "3 hours");
    site.login(2, ann, "3 hours");
    Session other(database);
    other.run("BEGIN; SELECT FROM users_tokens WHERE token = " + token_sql(1) +
              " FOR UPDATE");
    check_bytes(prune(site), "1");
    check_bytes(site.tokens(), "1");
    other.run("ROLLBACK; BEGIN");
    // Another node is pruning, and has not committed.
    other.run(site.sql(Statement::prune),
              {text("999999"), text("999999"), text("10")});
    check_bytes(prune(site), "0");
    check_bytes(site.tokens(), "1");
    other.run("COMMIT");
    check_bytes(prune(site), "1");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_has_expired_goes),
        cmocka_unit_test(so_many_at_once),
        cmocka_unit_test(what_others_hold_is_left),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
