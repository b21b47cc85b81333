// Finding the user of a login, and counting attempts.
#include "postgres/statements.hpp"

#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_user";
const std::string ann = "Ann@Example.com";

std::vector<UserRow> read_users(const std::vector<Row>& rows) {
    std::vector<UserRow> users;
    for (const Row& row : rows) {
        const auto user = read_user(row);
        check(user.has_value(), "the row's shape");
        users.push_back(*user);
    }
    return users;
}

std::vector<UserRow> find(Site& site, const std::string& email) {
    return read_users(site.ask(Statement::find_user, {text(email)}));
}

std::vector<UserRow> attempt(Site& site, int threshold = 3,
                             int duration = 900) {
    return read_users(
        site.ask(Statement::attempt,
                 {text("ann@example.COM"), text(std::to_string(threshold)),
                  text(std::to_string(duration))}));
}

void a_user_is_found_in_every_layout(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user("bob@example.com");
        const auto users = find(site, "aNN@example.com");
        check(users.size() == 1, a.title);
        check_bytes(users[0].id, site.id(ann), a.title);
        check_bytes(users[0].email, ann, a.title);
        check_bytes(users[0].hashed_password.value_or("none"), "x", a.title);
        check(!users[0].second_factor && users[0].allowed, a.title);
        check(find(site, "nobody@example.com").empty(), a.title);
        check(find(site, "").empty(), a.title);
        check(find(site, "ann@example.com' OR true --").empty(), a.title);

        site.layout.where = "email LIKE 'bob%' -- alone";
        check(find(site, ann).empty(), a.title);
        check(find(site, "BOB@example.com").size() == 1, a.title);
    }
}

void a_second_factor_is_asked_of_the_users_row(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    site.layout.lockout = true;
    const auto has = [&](const std::string& condition) {
        site.layout.second_factor = condition;
        const auto user = find(site, ann);
        check(user.size() == 1 &&
                  attempt(site, 99)[0].second_factor == user[0].second_factor,
              condition);
        return user[0].second_factor;
    };
    check(has("email = 'ann@example.com' -- hers"));
    check(has("EXISTS (SELECT FROM users v WHERE v.id = u.id)"));
    check(!has("u.confirmed_at IS NOT NULL OR false"));
    check(!has("confirmed_at > now()"), "NULL is not true");
    check(!has(""));
}

void an_email_may_be_of_several_users(void**) {
    Site site(database, cases[0]);
    for (int i = 0; i < 3; i++) {
        site.user(ann);
        site.session.run("UPDATE users SET deleted_at = now() WHERE id <= " +
                         std::to_string(i + (i < 2 ? 1 : 0)));
    }
    check(find(site, ann).size() == 2, "of three");
    site.layout.where = "deleted_at IS NULL";
    const auto alive = find(site, ann);
    check(alive.size() == 1);
    check_bytes(alive[0].id, "3");
    site.session.run("UPDATE users SET hashed_password = NULL");
    check(!find(site, ann)[0].hashed_password);

    site.layout.lockout = true;
    check(attempt(site).size() == 1);
    check_bytes(
        site.session.value("SELECT string_agg(failed_login_attempts::text, ' '"
                           " ORDER BY id) FROM users"),
        "0 0 1");
}

// The count of attempts, and the lock: 'none', 'new' or 'old'.
std::string state(Site& site) {
    return site.user_value(
        ann,
        "failed_login_attempts || CASE WHEN locked_at IS NULL THEN ' none'"
        " WHEN locked_at > (now() AT TIME ZONE 'utc') - interval '1 minute'"
        " THEN ' new' ELSE ' old' END");
}

void attempts_are_counted(void**) {
    for (const Case& a : cases) {
        if (a.kind == LayoutKind::phx_gen_auth) {
            continue;
        }
        Site site(database, a);
        site.session.run("SET TimeZone = 'UTC'");
        if (a.zones) {
            site.session.run(
                "ALTER TABLE users ALTER locked_at TYPE timestamptz");
        }
        site.layout.lockout = true;
        site.user(ann);
        const std::string updated = site.user_value(ann, "updated_at");
        const auto tried = [&](bool allowed, const std::string& then,
                               int threshold = 3) {
            const auto user = attempt(site, threshold);
            check(user.size() == 1 && user[0].allowed == allowed,
                  std::string(a.title) + " " + then);
            check_bytes(user[0].hashed_password.value_or(""), "x", a.title);
            check_bytes(state(site), then, a.title);
        };
        tried(true, "1 none");
        tried(true, "2 none");
        tried(true, "3 new");
        check(site.user_value(ann,
                              "date_trunc('second', locked_at) ="
                              " locked_at") == "t",
              a.title);
        const std::string locked_at = site.user_value(ann, "locked_at");
        tried(false, "4 new");
        tried(false, "5 new");
        tried(false, "10 new", 9);
        check_bytes(site.user_value(ann, "locked_at"), locked_at, a.title);

        const auto age = [&](const std::string& interval) {
            site.session.run(
                "UPDATE users SET locked_at = (now() AT TIME ZONE 'utc')"
                " - interval '" +
                interval + "'");
        };
        age("14 minutes");
        tried(false, "11 old");
        age("16 minutes");
        tried(true, "1 none");
        age("16 minutes");
        tried(true, "1 new", 1);
        tried(false, "2 new", 1);

        // A lock that was set by hand, and a threshold that was lowered.
        site.session.run("UPDATE users SET failed_login_attempts = 0");
        tried(false, "4 new");
        site.session.run(
            "UPDATE users SET failed_login_attempts = 7, locked_at = NULL");
        tried(false, "8 new");

        check_bytes(site.user_value(ann, "updated_at"), updated, a.title);
        site.layout.where = "confirmed_at IS NOT NULL";
        check(attempt(site).empty(), a.title);
        check_bytes(state(site), "8 new", a.title);
    }
}

// A right password resets the count. An attempt whose password was not checked
// is taken back, with the lock that it has set.
void attempts_are_forgiven(void**) {
    Site site(database, cases[0]);
    site.session.run("SET TimeZone = 'UTC'");
    site.layout.lockout = true;
    site.user(ann);
    const auto forgive = [&](const Parameter& threshold,
                             const std::string& hash = "x") {
        site.ask(Statement::forgive,
                 {text(site.id(ann)), text(hash), threshold});
        return state(site);
    };
    const Parameter right;
    attempt(site);
    check_bytes(forgive(right, "another"), "1 none");
    check_bytes(forgive(right), "0 none");
    check_bytes(forgive(text("3")), "0 none", "there was none");
    attempt(site);
    attempt(site);
    check_bytes(forgive(text("3"), "another"), "2 none");
    check_bytes(forgive(text("3")), "1 none");
    attempt(site);
    attempt(site);
    check_bytes(state(site), "3 new");
    check_bytes(forgive(text("3")), "2 none", "it had set the lock");
    attempt(site);
    attempt(site);
    check_bytes(state(site), "4 new");
    check_bytes(forgive(text("3")), "3 new", "without it there are enough");
    check_bytes(forgive(right), "0 none");
}

void of_many_attempts_at_once_the_threshold_is_allowed(void**) {
    Site site(database, cases[0]);
    site.session.run("SET TimeZone = 'UTC'");
    site.layout.lockout = true;
    site.user(ann);
    Crowd crowd(database, 50);
    const auto allowed = [&] {
        site.session.run("BEGIN; SELECT FROM users FOR UPDATE");
        crowd.start(site.sql(Statement::attempt),
                    {text(ann), text("5"), text("900")});
        Session beside(database);
        crowd.wait_until_blocked(beside);
        site.session.run("COMMIT");
        int count = 0;
        for (const auto& rows : crowd.finish()) {
            count += read_users(rows)[0].allowed ? 1 : 0;
        }
        return count;
    };
    check(allowed() == 5);
    check_bytes(state(site), "50 new");
    site.session.run("UPDATE users SET locked_at = now() - interval '1 hour'");
    check(allowed() == 5, "after a lock that has run out");
    check_bytes(state(site), "50 new");
}

void a_role_needs_few_rights(void**) {
    Site site(database, cases[0]);
    site.user(ann);
    site.session.run(
        "DO $$ BEGIN CREATE ROLE counts_only; EXCEPTION WHEN"
        " duplicate_object THEN NULL; END $$");
    site.session.run(
        "GRANT SELECT (id, email, hashed_password, failed_login_attempts,"
        " locked_at), UPDATE (failed_login_attempts, locked_at) ON users TO"
        " counts_only");
    site.layout.lockout = true;
    const std::string find = site.sql(Statement::find_user);
    const std::string attempt = site.sql(Statement::attempt);
    site.session.run("SET ROLE counts_only");
    check(site.session.run(find, {text(ann)}).size() == 1);
    check(
        site.session.run(attempt, {text(ann), text("5"), text("900")}).size() ==
        1);
}

void a_lockout_needs_its_columns(void**) {
    Site site(database, cases[3]);
    site.layout.lockout = true;
    std::string error;
    catalog_of(site.session, site.layout, &error);
    check_bytes(error,
                "a lockout needs the columns \"failed_login_attempts\" and"
                " \"locked_at\" of relation \"users\"");
    site.layout.lockout = false;
    check_bytes(site.sql(Statement::attempt), "");
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_found_in_every_layout),
        cmocka_unit_test(a_second_factor_is_asked_of_the_users_row),
        cmocka_unit_test(an_email_may_be_of_several_users),
        cmocka_unit_test(attempts_are_counted),
        cmocka_unit_test(attempts_are_forgiven),
        cmocka_unit_test(of_many_attempts_at_once_the_threshold_is_allowed),
        cmocka_unit_test(a_role_needs_few_rights),
        cmocka_unit_test(a_lockout_needs_its_columns),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
