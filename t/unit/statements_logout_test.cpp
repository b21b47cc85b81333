// The statements that end sessions, and their notifications.
#include "postgres/statements.hpp"

#include <algorithm>

#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_logout";
const std::string ann = "ann@example.com";
const std::string bob = "bob@example.com";
constexpr std::int64_t standard = 86400;
constexpr std::int64_t remember_me = 5184000;

std::vector<std::string> first_column(const std::vector<Row>& rows) {
    std::vector<std::string> column;
    for (const Row& row : rows) {
        check(row.size() == 1);
        column.push_back(row[0].value_or("NULL"));
    }
    std::sort(column.begin(), column.end());
    return column;
}

std::vector<std::string> hashes(Site& site, const std::vector<int>& numbers) {
    std::vector<std::string> all;
    for (const int number : numbers) {
        all.push_back(site.hash(number));
    }
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<std::string> log_out(Site& site, int first, int second) {
    return first_column(site.ask(
        Statement::logout,
        {token_parameter(first), token_parameter(second),
         text(std::to_string(standard)), text(std::to_string(remember_me))}));
}

std::vector<std::string> log_out_everywhere(Site& site, const std::string& id,
                                            int first, int second) {
    return first_column(
        site.ask(Statement::logout_everywhere,
                 {text(id), token_parameter(first), token_parameter(second)}));
}

// Reissues the session with token `old`; it gets the token `fresh`.
void reissue(Site& site, int old, int fresh) {
    check(site.ask(Statement::reissue,
                   {token_parameter(old), token_parameter(fresh), text("60"),
                    text(std::to_string(standard)),
                    text(std::to_string(remember_me))})
                  .size() == 1,
          site.a.title);
}

void a_log_out_deletes_and_tells(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        Session listener(database);
        listener.run("LISTEN revoked");
        for (int i = 1; i <= 4; i++) {
            site.login(i, i == 4 ? bob : ann, "1 hour",
                       i == 3 ? "remember_me" : "standard");
        }
        site.other(5, ann);
        const auto gone = [&](int first, int second,
                              const std::vector<int>& expected,
                              const std::string& left) {
            const auto deleted = log_out(site, first, second);
            check(deleted == hashes(site, expected), a.title);
            check(listener.notified("revoked") == deleted, a.title);
            check_bytes(site.tokens(), left, a.title);
        };
        gone(0, 0, {}, "1 2 3 4 5");
        gone(9, 0, {}, "1 2 3 4 5");
        gone(1, 0, {1}, "2 3 4 5");
        gone(1, 0, {}, "2 3 4 5");
        gone(2, 2, {2}, "3 4 5");
        gone(3, 4, {3, 4}, "5");
        // A session of type mfa_pending is ended too; a row of another context
        // is not.
        if (site.sessions) {
            gone(0, 5, {5}, "");
        } else {
            gone(5, 5, {}, "5");
        }
    }
}

void a_log_out_ends_both_sides_of_a_reissue(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            for (const int by : {1, 11}) {
                Site site(database, a);
                site.user(ann);
                site.user(bob);
                for (int i = 1; i <= 3; i++) {
                    site.login(i, i == 1 ? ann : bob, "2 hours", type);
                    reissue(site, i, 10 + i);
                }
                // Of the same age as the row in its grace, but not its kin.
                site.login(4, ann, "3 hours", type);
                check(log_out(site, by, 0) == hashes(site, {1, 11}), a.title);
                check_bytes(site.tokens(), "2 3 4 12 13", a.title);
            }
        }
    }
    // Kin have the same type; without reissuing there is no kin.
    Site site(database, cases[6]);
    site.user(ann);
    site.login(1, ann, "2 hours", "remember_me");
    reissue(site, 1, 2);
    site.set(1, "type = 'standard'");
    log_out(site, 2, 0);
    check_bytes(site.tokens(), "1");
    site.login(3, ann, "2 hours");
    site.set(3,
             "inserted_at = (SELECT inserted_at FROM user_sessions"
             " WHERE hashed_token = " +
                 token_sql(1) + ")");
    site.ask(Statement::logout,
             {token_parameter(3), token_parameter(0), text("60"), text("60")});
    check_bytes(site.tokens(), "1");
}

void everywhere_is_all_of_the_users_sessions(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        Session listener(database);
        listener.run("LISTEN revoked");
        for (int i = 1; i <= 6; i++) {
            site.login(i, i <= 3 ? ann : bob, "1 hour",
                       i % 2 == 1 ? "remember_me" : "standard");
        }
        site.other(7, ann);
        site.other(8, bob);
        std::vector<int> expected = {1, 2, 3, 5};
        if (site.sessions) {
            expected.push_back(7);
        }
        const auto deleted = log_out_everywhere(site, site.id(ann), 1, 5);
        check(deleted == hashes(site, expected), a.title);
        check(listener.notified("revoked") == deleted, a.title);
        check_bytes(site.tokens(), site.sessions ? "4 6 8" : "4 6 7 8",
                    a.title);
        check(log_out_everywhere(site, site.id(ann), 0, 0).empty(), a.title);
        check(log_out_everywhere(site, site.id(ann), 4, 0).size() == 1);
        check_bytes(site.tokens(), site.sessions ? "6 8" : "6 7 8", a.title);
    }
}

void a_mass_deletion_is_told_once(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        Site site(database, a);
        site.user(ann);
        Session listener(database);
        listener.run("LISTEN revoked");
        const auto delete_many = [&](int count) {
            site.session.run(
                "INSERT INTO " + site.layout.tokens + " (user_id, " +
                (site.sessions ? "hashed_token, type, last_active_at"
                               : "token, context, sent_to") +
                ", inserted_at) SELECT u.id, sha256(i::text::bytea), " +
                (site.sessions ? "'standard', now()" : "'session', NULL") +
                ", now() FROM users u, generate_series(1, " +
                std::to_string(count) + ") i");
            const auto deleted = log_out_everywhere(site, site.id(ann), 0, 0);
            check(deleted.size() == static_cast<std::size_t>(count), a.title);
            return deleted;
        };
        const auto deleted = delete_many(1000);
        check(listener.notified("revoked") == deleted, a.title);
        delete_many(1001);
        check(listener.notified("revoked") == std::vector<std::string>{"*"},
              a.title);
    }
}

void a_channel_is_quoted_and_may_be_none(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    const std::string channel = "it's a \\ \"channel\"";
    site.layout.channel = channel;
    Session listener(database);
    listener.run("LISTEN " + quoted_identifier(channel));
    site.login(1, ann);
    log_out(site, 1, 0);
    check(listener.notified("it''s a \\ \"channel\"") == hashes(site, {1}));
    site.layout.channel = "";
    site.login(2, ann);
    check(log_out(site, 2, 0).size() == 1);
    site.login(2, ann);
    check(log_out_everywhere(site, site.id(ann), 0, 0).size() == 1);
    check(listener.notified("it''s a \\ \"channel\"").empty());
    check_bytes(site.tokens(), "");
}

// Without a commit there is no notification.
void a_log_out_that_fails_tells_nobody(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    Session listener(database);
    listener.run("LISTEN revoked");
    site.login(1, ann);
    site.session.run("BEGIN");
    check(log_out(site, 1, 0).size() == 1);
    site.session.run("ROLLBACK");
    check(listener.notified("revoked").empty());
    check_bytes(site.tokens(), "1");
}

// A login changes the type of the row that takes the new token; the row in its
// grace keeps the old type.
void a_login_of_another_type(void**) {
    for (const Case& a : cases) {
        if (a.kind != LayoutKind::sigra_sessions) {
            continue;
        }
        for (const int given : {1, 20}) {
            Site site(database, a);
            site.user(ann);
            site.session.run("UPDATE " + site.layout.users +
                             " SET hashed_password = 'x'");
            site.login(1, ann, "2 hours");
            check(site.ask(Statement::login, {text(site.id(ann)),
                                              text("x"),
                                              token_parameter(20),
                                              token_parameter(1),
                                              token_parameter(0),
                                              text(std::to_string(standard)),
                                              text(std::to_string(remember_me)),
                                              {},
                                              text("remember_me"),
                                              {},
                                              {}})
                          .size() == 1,
                  a.title);
            check(log_out(site, given, 0).size() == 2, a.title);
            check(site.tokens().empty(), a.title);
        }
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_login_of_another_type),
        cmocka_unit_test(a_log_out_deletes_and_tells),
        cmocka_unit_test(a_log_out_ends_both_sides_of_a_reissue),
        cmocka_unit_test(everywhere_is_all_of_the_users_sessions),
        cmocka_unit_test(a_mass_deletion_is_told_once),
        cmocka_unit_test(a_channel_is_quoted_and_may_be_none),
        cmocka_unit_test(a_log_out_that_fails_tells_nobody),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
