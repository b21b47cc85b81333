// Undoing a rotation whose new token could not be delivered.
#include <algorithm>

#include "postgres/statements.hpp"
#include "statements_renew.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_take_back";

// The client has left, so nobody has the new token.
void a_rotation_is_taken_back(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            Site site(database, a);
            site.session.run("SET TimeZone = 'Asia/Kathmandu'");
            site.user(ann);
            Session listener(database);
            listener.run("LISTEN revoked");
            site.login(1, ann, "2 hours", type);
            fill(site, 1);
            const auto take_back = [&](int old, int fresh,
                                       const std::string& before) {
                return site.ask(Statement::take_back,
                                {token_parameter(old), token_parameter(fresh),
                                 text(before)});
            };
            const std::string before = carried(site, 1);
            const std::string inserted = site.value(1, "inserted_at");
            const std::string id = site.value(1, "id");
            const auto unchanged = [&] {
                check_bytes(site.tokens(), "1", a.title);
                check_bytes(carried(site, 1), before, a.title);
                check_bytes(site.value(1, "inserted_at"), inserted, a.title);
                check_bytes(site.value(1, "id"), id, a.title);
            };
            for (const Statement statement :
                 {Statement::reissue, Statement::renew}) {
                const auto rows = site.ask(
                    statement, statement == Statement::renew ? renewal(1, 20)
                                                             : reissue(1, 20));
                check(rows.size() == 1, a.title);
                listener.notified("revoked");
                const auto back = take_back(1, 20, rows[0][2].value_or(""));
                check(back.size() == 1, a.title);
                check_bytes(back[0][0], site.hash(20), a.title);
                unchanged();
                std::vector<std::string> both = {site.hash(1), site.hash(20)};
                std::sort(both.begin(), both.end());
                check(listener.notified("revoked") == both, a.title);
            }
            check(take_back(1, 20, inserted).empty(), "no longer there");
            unchanged();

            // A session that has changed since is not undone.
            check(site.ask(Statement::reissue, reissue(1, 20)).size() == 1);
            check(site.ask(Statement::renew, renewal(20, 21)).size() == 1);
            check(take_back(1, 20, inserted).empty(), a.title);
            check_bytes(site.tokens(), "21", a.title);
            site.session.run("DELETE FROM " + site.layout.tokens);
            check(take_back(1, 21, inserted).empty(), a.title);
            check_bytes(site.tokens(), "", a.title);
        }
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_is_taken_back),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
