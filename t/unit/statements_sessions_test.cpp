// A user's sessions: which are listed, with what, and which ones can be ended.
#include <algorithm>
#include <cstdlib>

#include "postgres/statements.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_sessions";
const std::string ann = "ann@example.com";
const std::string bob = "bob@example.com";
constexpr std::int64_t standard = 86400;
constexpr std::int64_t remember_me = 5184000;

std::vector<ListedSession> list(Site& site, const std::string& email, int own,
                                std::int64_t idle_s = 0) {
    std::vector<ListedSession> all;
    for (const Row& row : site.ask(
             Statement::list_sessions,
             {text(site.id(email)), token_parameter(own),
              text(std::to_string(standard)), text(std::to_string(remember_me)),
              text(std::to_string(idle_s))})) {
        const auto session = read_listed(row);
        check(session.has_value(), site.a.title);
        all.push_back(*session);
    }
    return all;
}

// The numbers of the tokens, with a star for the session of the request:
// "3 1* 2".
std::string listed(Site& site, const std::string& email, int own = 0,
                   std::int64_t idle_s = 0) {
    std::string numbers;
    for (const ListedSession& session : list(site, email, own, idle_s)) {
        for (int i = 1; i <= 30; i++) {
            if (site.session.value("SELECT count(*) FROM " +
                                   site.layout.tokens + " WHERE id::text = '" +
                                   session.id + "' AND " + site.token_column +
                                   " = " + token_sql(i)) == "1") {
                numbers += (numbers.empty() ? "" : " ") + std::to_string(i) +
                           (session.is_own ? "*" : "");
            }
        }
    }
    return numbers;
}

std::vector<std::string> end(Site& site, const std::string& email,
                             const std::string& id) {
    std::vector<std::string> hashes;
    for (const Row& row : site.ask(
             Statement::end_session,
             {text(site.id(email)), text(id), text(std::to_string(standard)),
              text(std::to_string(remember_me))})) {
        check(row.size() == 1);
        hashes.push_back(row[0].value_or("NULL"));
    }
    std::sort(hashes.begin(), hashes.end());
    return hashes;
}

std::vector<std::string> hashes(Site& site, std::vector<int> numbers) {
    std::vector<std::string> all;
    for (const int number : numbers) {
        all.push_back(site.hash(number));
    }
    std::sort(all.begin(), all.end());
    return all;
}

void reissue(Site& site, int old, int fresh) {
    check(site.ask(Statement::reissue,
                   {token_parameter(old), token_parameter(fresh), text("60"),
                    text(std::to_string(standard)),
                    text(std::to_string(remember_me))})
                  .size() == 1,
          site.a.title);
}

// Rows of another context or type, which are not sessions.
const std::vector<std::string>& strangers(const Site& site) {
    static const std::vector<std::string> contexts = {
        "reset_password", "confirm",   "change:old@example.com",
        "login",          "api-token", "lockout",
        "sessions"};
    static const std::vector<std::string> types = {"mfa_pending"};
    return site.sessions ? types : contexts;
}

void live_sessions_are_listed_newest_first(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        check_bytes(listed(site, ann), "", a.title);
        site.login(1, ann, "3 hours");
        site.login(2, ann, "1 hour");
        site.login(3, ann, "2 hours");
        site.login(4, bob, "1 minute");
        site.login(5, ann, std::to_string(standard + 1) + " seconds");
        site.login(6, ann, std::to_string(standard - 600) + " seconds");
        int next = 10;
        for (const std::string& kind : strangers(site)) {
            add_session(site.session, a, next++, ann, "1 minute", kind);
        }
        check_bytes(listed(site, ann), "2 3 1 6", a.title);
        check_bytes(listed(site, ann, 1), "2 3 1* 6", a.title);
        check_bytes(listed(site, bob), "4", a.title);
        // A token that expired or is another user's does not mark a session.
        for (const int own : {4, 5, 10, 29}) {
            check_bytes(listed(site, ann, own), "2 3 1 6", a.title);
        }
        check(list(site, bob, 4).front().is_own, a.title);
    }
}

void what_is_said_of_a_session(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "2 hours");
        const ListedSession one = list(site, ann, 1).at(0);
        const auto number = [&](const std::string& column) {
            return std::atoll(site.value(1, Site::seconds(column)).c_str());
        };
        check_bytes(one.id, site.value(1, "id::text"), a.title);
        check(one.created_at == number("inserted_at"), a.title);
        check(one.expires_at == one.created_at + standard, a.title);
        check(one.authenticated_at.has_value() == site.has_authenticated_at,
              a.title);
        check(!one.authenticated_at ||
                  *one.authenticated_at == one.created_at + 7,
              a.title);
        check(!one.ip && !one.user_agent, a.title);
        check(one.last_active_at.has_value() == site.sessions, a.title);
        if (!site.sessions) {
            continue;
        }
        check(*one.last_active_at == number("last_active_at"), a.title);
        site.set(1, "ip = '2001:db8::1', user_agent = E'<b>\\u00e9'");
        const ListedSession other = list(site, ann, 1).at(0);
        check_bytes(other.ip.value_or("-"), "2001:db8::1", a.title);
        check_bytes(other.user_agent.value_or("-"), "<b>\xc3\xa9", a.title);
        // Each type has its own lifetime.
        site.set(1, "type = 'remember_me'");
        const ListedSession kept = list(site, ann, 1).at(0);
        check(kept.expires_at == kept.created_at + remember_me, a.title);
        // An ip of type inet is printed without a netmask.
        site.session.run("ALTER TABLE " + site.layout.tokens +
                         " ALTER ip TYPE inet USING ip::inet");
        check_bytes(list(site, ann, 1).at(0).ip.value_or("-"), "2001:db8::1",
                    a.title);
    }
}

void an_idle_session_is_over(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "2 hours");
        site.login(2, ann, "3 hours", "remember_me");
        site.login(3, ann, "4 hours");
        // They were active ten minutes ago.
        if (site.sessions) {
            site.set(3, "last_active_at = " +
                            std::string(a.zones ? "clock_timestamp()"
                                                : "clock_timestamp() AT TIME"
                                                  " ZONE 'utc'"));
        }
        check_bytes(listed(site, ann, 0, 300), site.sessions ? "2 3" : "1 2 3",
                    a.title);
        check_bytes(listed(site, ann, 0, 1200), "1 2 3", a.title);
        check_bytes(listed(site, ann, 0, 0), "1 2 3", a.title);
    }
}

void a_session_that_was_reissued_is_one(void**) {
    for (const Case& a : cases) {
        for (const char* type : {"standard", "remember_me"}) {
            Site site(database, a);
            site.user(ann);
            site.login(1, ann, "2 hours", type);
            site.login(2, ann, "3 hours", type);
            const std::string id = site.value(1, "id::text");
            reissue(site, 1, 11);
            check_bytes(site.tokens(), "1 2 11", a.title);
            check_bytes(listed(site, ann), "11 2", a.title);
            check_bytes(listed(site, ann, 11), "11* 2", a.title);
            // The same for a request with the old token.
            check_bytes(listed(site, ann, 1), "11* 2", a.title);
            check_bytes(list(site, ann, 1).at(0).id, id, a.title);
            // Both rows are deleted by the id that was listed before.
            check(end(site, ann, id) == hashes(site, {1, 11}), a.title);
            check_bytes(site.tokens(), "2", a.title);
        }
    }
    // A row that expires within a minute, but keeps no old token, is a session.
    Site site(database, cases[0]);
    site.user(ann);
    site.login(1, ann, std::to_string(standard - 30) + " seconds");
    check_bytes(listed(site, ann), "1");
}

void a_hundred_and_ones_own(void**) {
    for (const Case& a : {cases[0], cases[4], cases[6]}) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann, "20 hours");
        site.login(2, ann, "19 hours");
        site.session.run(
            "INSERT INTO " + site.layout.tokens + " (id, user_id, " +
            (site.sessions ? "hashed_token, type, last_active_at"
                           : "token, context, sent_to") +
            ", inserted_at) SELECT " +
            (std::string(a.id) == "uuid" ? "gen_random_uuid()" : "2000 + i") +
            ", u.id, sha256(i::text::bytea), " +
            (site.sessions ? "'standard', now()" : "'session', NULL") +
            ", now() AT TIME ZONE 'utc' - i * interval '1 minute'"
            " FROM users u, generate_series(1, 150) i");
        const auto without = list(site, ann, 0);
        check(without.size() == max_listed, a.title);
        check(std::is_sorted(without.rbegin(), without.rend(),
                             [](const auto& x, const auto& y) {
                                 return x.created_at < y.created_at;
                             }),
              a.title);
        const auto with = list(site, ann, 1);
        check(with.size() == max_listed, a.title);
        check(with.back().is_own && !without.back().is_own, a.title);
    }
}

void an_end_finds_ones_own_alone(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.user(bob);
        Session listener(database);
        listener.run("LISTEN revoked");
        for (int i = 1; i <= 3; i++) {
            site.login(i, ann, std::to_string(i) + " hours",
                       i == 3 ? "remember_me" : "standard");
        }
        site.login(4, bob);
        int next = 10;
        std::string others;
        for (const std::string& kind : strangers(site)) {
            others += " " + std::to_string(next);
            add_session(site.session, a, next++, ann, "1 minute", kind);
        }
        const auto nothing = [&](const std::string& id) {
            check(end(site, ann, id).empty(), std::string(a.title) + ": " + id);
        };
        nothing(site.value(4, "id::text"));
        for (int i = 10; i < next; i++) {
            nothing(site.value(i, "id::text"));
        }
        for (const char* id :
             {"", "0", "-1", "999", "1 OR true", "'", "1; DROP TABLE users",
              "99999999999999999999999999", "00000000", "NULL",
              "0c7d1f8e-0000-4000-8000-000000000000"}) {
            nothing(id);
        }
        nothing(" " + site.value(1, "id::text"));
        nothing("0" + site.value(1, "id::text"));
        check_bytes(site.tokens(), "1 2 3 4" + others, a.title);
        check(listener.notified("revoked").empty(), a.title);
        for (const int i : {2, 3}) {
            const auto gone = end(site, ann, site.value(i, "id::text"));
            check(gone == hashes(site, {i}), a.title);
            check(listener.notified("revoked") == gone, a.title);
        }
        check_bytes(site.tokens(), "1 4" + others, a.title);
        // The same without a channel.
        site.layout.channel = "";
        check(end(site, ann, site.value(1, "id::text")) == hashes(site, {1}),
              a.title);
        check(listener.notified("revoked").empty(), a.title);
    }
}

void rows_of_another_shape(void**) {
    const Row whole = {"7", "1.5e9", "1.6e9", "1", "2", "ip", "agent", "t"};
    const auto one = read_listed(whole);
    check(one && one->is_own && one->created_at == 1'500'000'000);
    check(one->expires_at == 1'600'000'000 && one->authenticated_at == 1);
    for (const std::size_t i : {0, 1, 2, 7}) {
        Row row = whole;
        row[i].reset();
        check(!read_listed(row), std::to_string(i));
    }
    for (const char* bad : {"", "x", "1x", "NaN"}) {
        Row row = whole;
        row[1] = bad;
        check(!read_listed(row), bad);
    }
    for (const std::size_t size : {0, 7, 9}) {
        Row row = whole;
        row.resize(size);
        check(!read_listed(row));
    }
    Row row = whole;
    row[1] = "-Infinity";
    row[2] = "Infinity";
    const auto endless = read_listed(row);
    check(endless && endless->created_at == -max_time / 1000 &&
          endless->expires_at == max_time / 1000);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(live_sessions_are_listed_newest_first),
        cmocka_unit_test(what_is_said_of_a_session),
        cmocka_unit_test(an_idle_session_is_over),
        cmocka_unit_test(a_session_that_was_reissued_is_one),
        cmocka_unit_test(a_hundred_and_ones_own),
        cmocka_unit_test(an_end_finds_ones_own_alone),
        cmocka_unit_test(rows_of_another_shape),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
