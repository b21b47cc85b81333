// Helpers for the tests of lookups that share a statement.
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

// Without autovacuum there are no statistics, and the planner uses the indexes.
// A plan that reads all users would meet the one whose row fails.
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

// The email that a lookup returned; empty if there is no session.
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

// Counts statements by the server's time, which differs for each statement.
inline std::size_t statements_of(const std::vector<AskedPtr>& all) {
    std::set<std::string> moments;
    for (const AskedPtr& asked : all) {
        for (const Row& row : asked->outcome.rows) {
            moments.insert(row.at(2).value_or(""));
        }
    }
    return moments.size();
}

// A connection begins with small statements and combines more over time.
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
