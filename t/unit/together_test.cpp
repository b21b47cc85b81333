// Lookups that wait at the same time share a statement, and each gets its own
// answer.
#include "together.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using namespace sigra::test::together;
using sigra::unit::check;
using sigra::unit::check_bytes;

AskedPtr ask_part(Bench& bench, int number, std::uint64_t conditions,
                  std::uint64_t attributes) {
    return bench.ask(0, Statement::lookup_part,
                     {{token(number), true},
                      {bits_parameter(conditions)},
                      {bits_parameter(attributes)}});
}

// For each layout, the rows are those of single lookups.
void many_are_as_each_by_itself(void**) {
    for (const Case& a : cases) {
        Site site(database, a);
        for (int i = 1; i <= 5; i++) {
            site.user(email(i));
            site.login(i, email(i), std::to_string(i) + " hours",
                       i % 2 == 0 ? "remember_me" : "standard");
        }
        site.other(6, email(1));
        // Duplicates, unknown tokens, NULL, and malformed ones.
        std::vector<std::string> tokens;
        for (const int number : {3, 1, 6, 3, 17, 2, 5, 4, 3}) {
            tokens.push_back(token(number));
        }
        tokens.insert(tokens.end(), {"", "\\x41", std::string("\0", 1)});
        const std::vector<std::string_view> views(tokens.begin(), tokens.end());
        const std::vector<std::string> wheres = {
            "", "email <> '5@example.com' -- $9"};
        for (const std::string& where : wheres) {
            for (const bool has_facts : {false, true}) {
                site.layout.where = where;
                site.layout.conditions.clear();
                site.layout.attributes.clear();
                if (has_facts) {
                    site.layout.conditions = {"email < '3'", "", "true"};
                    site.layout.attributes = {"u.email || '!'", "NULL"};
                }
                const auto rows =
                    site.ask(Statement::lookup_many, {bytea_array(views)});
                std::vector<std::vector<Row>> of(tokens.size());
                for (Row row : rows) {
                    const auto number = binary_number(row.back().value_or(""));
                    check(number && *number >= 1 && *number <= tokens.size(),
                          a.title);
                    row.pop_back();
                    row.at(2) = "now";
                    of.at(number.value_or(0) - 1).push_back(std::move(row));
                }
                for (std::size_t i = 0; i < tokens.size(); i++) {
                    auto one = site.ask(Statement::lookup, {{tokens[i], true}});
                    for (Row& row : one) {
                        row.at(2) = "now";
                    }
                    check(one == of[i], std::string(a.title) + " " + where +
                                            " " + std::to_string(i));
                }
                check(rows.size() == (where.empty() ? 7 : 6), a.title);
            }
        }
    }
}

// A lookup of API tokens also compares the email.
void api_tokens_are_as_each_by_itself(void**) {
    Site site(database, cases[0]);
    site.layout.context = "api-token";
    for (int i = 1; i <= 3; i++) {
        site.user(email(i));
        add_session(site.session, site.a, i, email(i), "1 hour", "api-token");
        site.set(i, "sent_to = '" + email(i == 2 ? 1 : i) + "'");
    }
    const std::vector<std::string> tokens = {token(1), token(2), token(3)};
    const auto rows =
        site.ask(Statement::lookup_many,
                 {bytea_array({tokens[0], tokens[1], tokens[2]})});
    check(rows.size() == 2);
    check(binary_number(*rows.at(0).back()) == 1);
    check(binary_number(*rows.at(1).back()) == 3);
}

// For any number of lookups: a statement has at most 128, and a single lookup
// is sent as the plain statement.
void each_has_its_own_answer(void**) {
    for (const std::string file : {"sigra", "phx_gen_auth", "sigra_sessions"}) {
        make_tables(file);
        Layout layout;
        layout.kind = file == "sigra"          ? LayoutKind::sigra
                      : file == "phx_gen_auth" ? LayoutKind::phx_gen_auth
                                               : LayoutKind::sigra_sessions;
        if (layout.kind == LayoutKind::sigra_sessions) {
            layout.tokens = "user_sessions";
            Session session(database);
            session.run(
                "UPDATE user_sessions SET type = 'remember_me'"
                " WHERE id % 3 = 0");
        }
        for (const bool prepare : {true, false}) {
            PoolOptions chosen = options();
            chosen.prepare = prepare;
            Bench bench(chosen);
            bench.pool->add_layout(layout);
            warm_up(bench, 128);
            for (const int size : {1, 2, 127, 128, 129, 300}) {
                const std::string what = file + " " + std::to_string(size);
                std::vector<AskedPtr> all;
                std::vector<std::string> expected;
                for (int i = 0; i < size; i++) {
                    // Every seventh token is unknown; some are duplicates.
                    const int number =
                        i % 7 == 6 ? users + 1 + i : 1 + i * 3 % users;
                    expected.push_back(i % 7 == 6 ? "" : email(number));
                    all.push_back(bench.look_up(number));
                }
                const auto before = bench.pool->counters();
                check(bench.answered(all), what);
                const auto after = bench.pool->counters();
                for (std::size_t i = 0; i < all.size(); i++) {
                    check_bytes(found(all[i]), expected[i], what);
                    const auto& rows = all[i]->outcome.rows;
                    check(rows.empty() ||
                              read_session(rows[0])->remember_me ==
                                  (layout.kind == LayoutKind::sigra_sessions &&
                                   std::stoi(expected[i]) % 3 == 0),
                          what);
                }
                check(after.syncs == before.syncs + 1, what);
                check(after.batched ==
                          before.batched + static_cast<std::uint64_t>(size),
                      what);
                check(statements_of(all) ==
                          static_cast<std::size_t>(size + 127) / 128,
                      what + " " + std::to_string(statements_of(all)));
            }
            check(bench.pool->counters().connects == 1);
            check(bench.reactor.count_logged(LogLevel::error, "") == 0);
        }
    }
}

// Lookups of other layouts, lookups of parts and malformed ones are not
// combined with others.
void only_their_like_go_together(void**) {
    make_tables();
    Bench bench(options());
    Layout layout;
    layout.conditions = {"u.id > 70", "u.id % 2 = 0"};
    layout.attributes = {"'no ' || u.id", "u.email::text"};
    bench.pool->add_layout(layout);
    bench.pool->add_layout({});
    warm_up(bench, 100);
    warm_up(bench, 100, 1);
    std::vector<AskedPtr> whole;
    std::vector<AskedPtr> parts;
    std::vector<AskedPtr> plain;
    std::vector<AskedPtr> none;
    for (int i = 1; i <= 100; i++) {
        whole.push_back(bench.look_up(i));
        plain.push_back(bench.look_up(i, 1));
        parts.push_back(ask_part(bench, i, i % 4 == 0 ? 1 : 2, i % 2 + 1));
        none.push_back(bench.ask(0, Statement::lookup, {{std::nullopt, true}}));
    }
    none.push_back(bench.ask(0, Statement::lookup, {{"\\x41", false}}));
    const auto refused = bench.ask(0, Statement::lookup, {});
    check(bench.answered(whole) && bench.answered(parts) &&
          bench.answered(plain) && bench.answered(none));
    check(bench.status(refused) == Status::refused);
    for (const AskedPtr& asked : none) {
        check_bytes(found(asked), "");
    }
    for (int i = 1; i <= 100; i++) {
        const auto at = static_cast<std::size_t>(i) - 1;
        check_bytes(found(plain[at]), email(i));
        check_bytes(found(whole[at]), email(i));
        check_bytes(found(parts[at]), email(i));
        const auto all = *read_session(whole[at]->outcome.rows[0]);
        const std::uint64_t met = (i > 70 ? 1 : 0) | (i % 2 == 0 ? 2 : 0);
        check(all.met == met && all.judged == 3 && all.readable == 3);
        check_bytes(*all.attributes.at(0), "no " + std::to_string(i));
        check_bytes(*all.attributes.at(1), email(i));
        const auto part = *read_session(parts[at]->outcome.rows[0]);
        const std::uint64_t asked_for = i % 4 == 0 ? 1 : 2;
        check(part.judged == asked_for && part.met == (met & asked_for));
        check(part.readable == static_cast<std::uint32_t>(i % 2 + 1));
        check(part.attributes.at(0).has_value() == (i % 2 == 0));
        check(part.attributes.at(1).has_value() == (i % 2 == 1));
    }
    check(statements_of(whole) == 1 && statements_of(plain) == 1);
    check(statements_of(parts) == 100);
}

// An error in a condition or a fact of one user does not fail the lookups of
// others, nor those behind it in the pipeline.
void one_fails_for_itself(void**) {
    make_tables();
    for (const bool prepare : {true, false}) {
        for (const bool in_where : {true, false}) {
            PoolOptions chosen = options();
            chosen.prepare = prepare;
            Bench bench(chosen);
            Layout layout;
            (in_where ? layout.where
                      : (layout.conditions = {"true"}, layout.attributes = {""},
                         layout.attributes[0])) = "1 / (u.id - 50) <= 1";
            bench.pool->add_layout(layout);
            warm_up(bench, 49);
            const auto all = bench.look_up_many(users);
            check(bench.answered(all));
            for (int i = 1; i <= users; i++) {
                const AskedPtr& asked = all[static_cast<std::size_t>(i) - 1];
                if (i != 50) {
                    check_bytes(found(asked), email(i));
                    continue;
                }
                check(asked->outcome.status == Status::refused);
                check_bytes(asked->outcome.sqlstate, "22012");
                check_bytes(asked->outcome.message, "division by zero");
            }
            // The next lookups are combined again.
            const auto others = bench.look_up_many(49);
            check(bench.answered(others));
            check(statements_of(others) == 1);
            check(bench.pool->counters().connects == 1);
        }
    }
}

// A condition is evaluated only for users that were looked up, even if the
// tables are small and the function has a low cost.
void nobody_else_is_judged(void**) {
    fresh_database(database);
    load_schema(database, "sigra");
    Session session(database);
    add_sessions(session, 4);
    session.run(
        "ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE; ANALYZE;"
        "CREATE FUNCTION picky(email text) RETURNS boolean AS $$ BEGIN"
        " IF email = '3@example.com' THEN RAISE 'asked for 3'; END IF;"
        " RETURN true; END $$ LANGUAGE plpgsql IMMUTABLE");
    for (const bool in_where : {true, false}) {
        Bench bench(options());
        Layout layout;
        if (in_where) {
            layout.where = "picky(u.email::text)";
        } else {
            layout.conditions = {"picky(u.email::text)"};
        }
        bench.pool->add_layout(layout);
        for (int i = 0; i < 10; i++) {
            const std::vector<AskedPtr> all = {
                bench.look_up(1), bench.look_up(2), bench.look_up(4)};
            check(bench.answered(all));
            check(count(all, Status::ok) == 3, all[0]->outcome.message);
            check(statements_of(all) == 1);
            for (const int number : {1, 2, 4}) {
                check(bench.status_of(number) == Status::ok, "by itself");
            }
        }
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(many_are_as_each_by_itself),
        cmocka_unit_test(api_tokens_are_as_each_by_itself),
        cmocka_unit_test(each_has_its_own_answer),
        cmocka_unit_test(only_their_like_go_together),
        cmocka_unit_test(one_fails_for_itself),
        cmocka_unit_test(nobody_else_is_judged),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
