// The facts in a lookup, if some of them are invalid or not asked for.
#include "postgres/statements.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;
using sigra::unit::check_bytes;

const std::string database = "sigra_statements_facts";
const std::string ann = "ann@example.com";
const std::string fails = "1 / (length(u.email) - length(u.email)) = 1";

SessionRow found(Site& site, Statement statement,
                 const std::vector<Parameter>& parameters) {
    const auto rows = site.ask(statement, parameters);
    check(rows.size() == 1, site.a.title);
    const auto session = read_session(rows[0]);
    check(session && session->email == ann, site.a.title);
    return *session;
}

SessionRow whole(Site& site) {
    return found(site, Statement::lookup, {token_parameter(1)});
}

SessionRow part(Site& site, std::uint64_t conditions,
                std::uint64_t attributes) {
    return found(site, Statement::lookup_part,
                 {token_parameter(1), text(bits_parameter(conditions)),
                  text(bits_parameter(attributes))});
}

void fill(Site& site) {
    site.user(ann);
    site.login(1, ann);
    // The second of each is invalid on this server, and was removed.
    site.layout.conditions = {"email = 'ann@example.com'", "",
                              "NULL::boolean -- nobody", "u.id IS NULL"};
    site.layout.attributes = {"u.email", "", "NULL", "1 + 1"};
}

// A removed fact is neither met nor judged, and the others keep their numbers.
void what_means_nothing_is_not_judged(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        fill(site);
        const SessionRow row = whole(site);
        check(row.judged == 0b1101 && row.met == 0b0001, a.title);
        check(row.readable == 0b1101 && row.attributes.size() == 4, a.title);
        check_bytes(row.attributes[0].value_or("NULL"), ann, a.title);
        check_bytes(row.attributes[3].value_or("NULL"), "2", a.title);
        check(!row.attributes[1] && !row.attributes[2], a.title);
    }
}

void nothing_means_anything(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        Site site(database, a);
        fill(site);
        site.layout.conditions = {"", ""};
        site.layout.attributes = {""};
        const SessionRow row = whole(site);
        check(row.judged == 0 && row.met == 0 && row.readable == 0, a.title);
        check(row.attributes.size() == 1 && !row.attributes[0], a.title);
        // Conditions only.
        site.layout.attributes.clear();
        check(whole(site).attributes.empty(), a.title);
        // Without facts there is no such statement.
        site.layout.conditions.clear();
        check_bytes(site.sql(Statement::lookup_part), "", a.title);
        const SessionRow plain = whole(site);
        check(plain.judged == 0 && plain.readable == 0, a.title);
    }
}

// A fact that is not asked for is neither evaluated nor judged.
void what_is_not_asked_for_is_not_judged(void**) {
    for (const Case& a : {cases[0], cases[3], cases[6]}) {
        Site site(database, a);
        fill(site);
        site.layout.conditions.push_back(fails);
        site.layout.attributes.emplace_back(
            "(1 / (length(u.email) -"
            " length(u.email)))");
        check_bytes(site.session.failure(site.sql(Statement::lookup),
                                         {token_parameter(1)}),
                    "22012", a.title);
        const SessionRow without = part(site, 0b01111, 0b01111);
        check(without.judged == 0b01101 && without.met == 0b0001, a.title);
        check(without.readable == 0b01101, a.title);
        check_bytes(without.attributes[3].value_or("NULL"), "2", a.title);
        const SessionRow one = part(site, 0b00010, 0b00001);
        check(one.judged == 0 && one.met == 0, a.title);
        check(one.readable == 1 && !one.attributes[3], a.title);
        const SessionRow none = part(site, 0, 0);
        check(none.judged == 0 && none.met == 0 && none.readable == 0, a.title);
        check(none.attributes.size() == 5 && !none.attributes[0], a.title);
        check_bytes(
            site.session.failure(site.sql(Statement::lookup_part),
                                 {token_parameter(1), text(bits_parameter(16)),
                                  text(bits_parameter(0))}),
            "22012", a.title);
    }
}

// The last of 64 conditions is the sign bit of PostgreSQL's bigint.
void the_last_condition(void**) {
    Site site(database, cases[0]);
    fill(site);
    site.layout.attributes.clear();
    site.layout.conditions.assign(max_conditions, "");
    site.layout.conditions[0] = "false";
    site.layout.conditions[63] = "true";
    constexpr std::uint64_t last = std::uint64_t{1} << 63;
    check(whole(site).judged == (last | 1) && whole(site).met == last);
    check(part(site, last, 0).judged == last);
    check(part(site, last - 1, 0).judged == 1);
    check(part(site, last - 1, 0).met == 0);
}

// However many there are, a condition that does not hold can be told from one
// that was not evaluated.
void all_of_them_mean_something(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        site.user(ann);
        site.login(1, ann);
        for (const std::size_t count : {0U, 1U, 3U, 62U, 63U, 64U}) {
            site.layout.conditions.assign(count, "u.id IS NULL");
            site.layout.attributes = {"u.email", "NULL"};
            const std::uint64_t every = count == 64
                                            ? ~std::uint64_t{0}
                                            : (std::uint64_t{1} << count) - 1;
            SessionRow row = whole(site);
            check(row.judged == every && row.met == 0, a.title);
            check(row.readable == 0b11 && row.attributes.size() == 2, a.title);
            check_bytes(row.attributes[0].value_or("NULL"), ann, a.title);
            check(!row.attributes[1] && !row.remember_me, a.title);
            site.layout.attributes.clear();
            site.layout.conditions.assign(count, "u.id IS NOT NULL");
            row = whole(site);
            check(row.judged == every && row.met == every, a.title);
            check(row.readable == 0 && row.attributes.empty(), a.title);
        }
        site.layout.conditions.clear();
        site.layout.attributes.assign(max_attributes, "u.email");
        check(whole(site).readable == 0xffffffff, a.title);
    }
}

// The type of the session, with and without facts.
void the_kind_beside_facts(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        fill(site);
        if (!is_sessions(site.layout)) {
            continue;
        }
        site.login(2, ann, "1 hour", "remember_me");
        const auto kind = [&](int number) {
            return found(site, Statement::lookup, {token_parameter(number)})
                .remember_me;
        };
        check(!kind(1) && kind(2), a.title);
        site.layout.conditions = {"true"};
        site.layout.attributes = {"u.email"};
        check(!kind(1) && kind(2), a.title);
        const SessionRow row =
            found(site, Statement::lookup_part,
                  {token_parameter(2), text("0"), text("0")});
        check(row.remember_me && row.judged == 0, a.title);
    }
}

// An answer that cannot be parsed meets no condition.
void flags_that_mean_nothing(void**) {
    const auto read = [](const std::string& flags, bool attribute) {
        Row row = {"7",          "a@b",        binary(1000.5), binary(990.25),
                   std::nullopt, std::nullopt, flags};
        if (attribute) {
            row.emplace_back("value");
        }
        return read_session(row);
    };
    check(read("9", true)->judged == 7 && read("9", true)->met == 1);
    check(read("t9", true)->remember_me && read("t9", true)->readable == 1);
    check(read("f9 11 0", true)->judged == 11, "with those that are left out");
    check(read("f9 11 0", true)->met == 9);
    check(read("4 3 1", true)->met == 0, "met, and was not asked for");
    for (const char* flags : {"",
                              "x",
                              "0",
                              "t0",
                              "f0",
                              " 7",
                              "7 ",
                              "7 7",
                              "7 7 ",
                              "7 7 1 ",
                              "7 7 1 1",
                              "7,7,1",
                              "7 x 1",
                              "7x",
                              "tt7",
                              "t 7",
                              "true",
                              "+7",
                              "18446744073709551615",
                              "99999999999999999999"}) {
        check(!read(flags, true), flags);
    }
    check(!read("f", true) && !read("t", true), "no facts, and an attribute");
    check(read("f", false)->judged == 0 && read("t", false)->met == 0);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(what_means_nothing_is_not_judged),
        cmocka_unit_test(nothing_means_anything),
        cmocka_unit_test(what_is_not_asked_for_is_not_judged),
        cmocka_unit_test(the_last_condition),
        cmocka_unit_test(all_of_them_mean_something),
        cmocka_unit_test(the_kind_beside_facts),
        cmocka_unit_test(flags_that_mean_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
