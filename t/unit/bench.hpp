// A pool on the test's event loop, and helpers to submit queries.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "poll_reactor.hpp"
#include "postgres/pool.hpp"
#include "server.hpp"

namespace sigra::test {

using postgres::Outcome;
using postgres::Pool;
using postgres::PoolOptions;
using postgres::Statement;
using postgres::Status;

// A query that was submitted, and its outcome.
struct Asked {
    int calls = 0;
    Outcome outcome;
    Milliseconds at{0};
};
using AskedPtr = std::shared_ptr<Asked>;

class Bench {
  public:
    explicit Bench(PoolOptions options)
        : pool(std::make_unique<Pool>(reactor, std::move(options))) {}

    AskedPtr ask(std::size_t layout, Statement statement,
                 std::vector<postgres::Parameter> parameters) {
        auto asked = std::make_shared<Asked>();
        pool->submit({layout, statement, std::move(parameters),
                      [this, asked](Outcome&& outcome) {
                          asked->calls++;
                          asked->outcome = std::move(outcome);
                          asked->at = reactor.now();
                      }});
        return asked;
    }
    AskedPtr look_up(int number, std::size_t layout = 0) {
        return ask(layout, Statement::lookup, {{token(number), true}});
    }
    // Submits a write: a log-out of the session with that number.
    AskedPtr write(int number, std::size_t layout = 0) {
        return ask(
            layout, Statement::logout,
            {{token(number), true}, {std::nullopt, true}, {"60"}, {"60"}});
    }
    AskedPtr find_user(int number, std::size_t layout = 0) {
        return ask(layout, Statement::find_user,
                   {{std::to_string(number) + "@example.com"}});
    }
    std::vector<AskedPtr> look_up_many(int count, std::size_t layout = 0) {
        std::vector<AskedPtr> all;
        for (int i = 1; i <= count; i++) {
            all.push_back(look_up(i, layout));
        }
        return all;
    }

    bool answered(const std::vector<AskedPtr>& all,
                  Milliseconds bound = Milliseconds(30000)) {
        return reactor.run_until(
            [&] {
                for (const AskedPtr& asked : all) {
                    if (asked->calls == 0) {
                        return false;
                    }
                }
                return true;
            },
            bound);
    }
    // Waits for the answer to a query and returns its status.
    Status status(const AskedPtr& asked) {
        answered({asked});
        return asked->outcome.status;
    }
    // Submits a lookup and returns its status.
    Status status_of(int number, std::size_t layout = 0) {
        return status(look_up(number, layout));
    }

    PollReactor reactor;
    std::unique_ptr<Pool> pool;
};

// How many have this status. Checks that each was answered once.
inline int count(const std::vector<AskedPtr>& all, Status status) {
    int n = 0;
    for (const AskedPtr& asked : all) {
        n += asked->calls == 1 && asked->outcome.status == status ? 1 : 0;
    }
    return n;
}

// A layout whose lookups wait in the server while a session has closed the
// gate.
inline postgres::Layout gated(postgres::Layout layout = {}) {
    layout.where = "pg_advisory_xact_lock_shared(1)::text IS NOT NULL";
    return layout;
}
inline void close_gate(Session& session) {
    session.run("SELECT pg_advisory_lock(1)");
}
inline void open_gate(Session& session) {
    session.run("SELECT pg_advisory_unlock(1)");
}

// Adds users 1@example.com, 2@example.com, ..., each with a session of that
// number.
inline void add_sessions(Session& session, int count,
                         bool in_sessions_table = false) {
    session.run("SET TimeZone = 'UTC'");
    session.run(
        "INSERT INTO users (email, hashed_password, inserted_at, updated_at)"
        " SELECT i || '@example.com', 'x', now(), now()"
        " FROM generate_series(1, " +
        std::to_string(count) + ") i");
    const std::string insert =
        in_sessions_table
            ? "INSERT INTO user_sessions (user_id, type, last_active_at,"
              " inserted_at, hashed_token) SELECT id, 'standard',"
              " now() - interval '1 hour', now(), "
            : "INSERT INTO users_tokens (user_id, context, inserted_at,"
              " token) SELECT id, 'session', now(), ";
    for (int i = 1; i <= count; i++) {
        session.run(insert + token_sql(i) + " FROM users WHERE email = '" +
                    std::to_string(i) + "@example.com'");
    }
}

}  // namespace sigra::test
