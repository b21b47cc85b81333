// What the tests of lookups that go together share.
#pragma once

#include <set>

#include "bench.hpp"
#include "postgres/pool.hpp"
#include "statements_cases.hpp"
#include "unit.hpp"

namespace sigra::test::together {

using namespace sigra::postgres;
using sigra::unit::check;

inline const std::string database = "sigra_together";
constexpr int users = 140;

inline PoolOptions options(unsigned connections = 1) {
    PoolOptions options;
    options.conninfo = conninfo(database);
    options.connections = connections;
    options.timeout = Milliseconds(20000);
    return options;
}

// A plan that reads all the users would meet the one whose row fails.
inline void make_tables(const std::string& file = "sigra") {
    fresh_database(database);
    load_schema(database, file);
    Session session(database);
    session.run("ALTER TABLE users SET (autovacuum_enabled = off)");
    add_sessions(session, users, file == "sigra_sessions");
}

inline std::string email(int number) {
    return std::to_string(number) + "@example.com";
}

// Whose it is that a lookup has found; empty: nobody's.
inline std::string found(const AskedPtr& asked) {
    check(asked->calls == 1 && asked->outcome.status == Status::ok,
          asked->outcome.sqlstate + " " + asked->outcome.message);
    check(asked->outcome.rows.size() <= 1);
    if (asked->outcome.rows.empty()) {
        return "";
    }
    const auto row = read_session(asked->outcome.rows[0]);
    check(row.has_value(), "the row's shape");
    return row->email;
}

// By the server's time, which is each statement's own.
inline std::size_t statements_of(const std::vector<AskedPtr>& all) {
    std::set<std::string> moments;
    for (const AskedPtr& asked : all) {
        for (const Row& row : asked->outcome.rows) {
            moments.insert(row.at(2).value_or(""));
        }
    }
    return moments.size();
}

// A connection begins with a few of them in a statement.
inline void warm_up(Bench& bench, int size, std::size_t layout = 0) {
    for (int i = 0; i < 100; i++) {
        const auto all = bench.look_up_many(size, layout);
        check(bench.answered(all));
        if (statements_of(all) == 1) {
            return;
        }
    }
    check(false, "never together");
}

}  // namespace sigra::test::together
