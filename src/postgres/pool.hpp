// Connections to one database from one worker: opened on demand, pipelined,
// with a bounded queue, a deadline for each query and jittered backoff.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"
#include "postgres/reactor.hpp"
#include "postgres/statements.hpp"

namespace sigra::postgres {

struct PoolOptions {
    std::string conninfo;
    unsigned connections = 2;
    unsigned queue = 1024;  // unanswered lookups, sent or not
    Milliseconds timeout{2000};
    Milliseconds connect_timeout{5000};
    Milliseconds max_reconnect_delay{10000};
    bool prepare = true;  // false: pgbouncer below 1.21

    bool operator==(const PoolOptions&) const = default;
};

// What a query is for. Each kind of work has a budget of its own, and none
// waits behind another where there are connections for both.
enum class Work {
    lookup,
    login,       // reads for an endpoint, a login first of all; may be slow
    write,       // may wait for a row's lock
    background,  // nobody waits for it
};
inline constexpr std::size_t work_count = 4;
inline constexpr std::array<unsigned, 7> batch_bounds{1, 2, 4, 8, 16, 32, 64};
[[nodiscard]] Work work_of(Statement statement);

// What libpq says against a connection string; empty where it is well formed.
// Touches no network.
[[nodiscard]] std::string conninfo_error(const std::string& conninfo);
// Of one that is well formed: what libpq would refuse when it connects. Repeats
// no value, for it may be a password in the wrong place.
[[nodiscard]] std::string conninfo_value_error(const std::string& conninfo);
// It names several hosts, and nothing says that the one is meant which takes
// writes.
[[nodiscard]] bool may_reach_several_servers(const std::string& conninfo);

enum class Status {
    ok,
    timeout,      // the deadline passed, queue and connect included
    unavailable,  // connection lost; for a write the outcome is unknown
    overloaded,   // the budget is used up: the database may be well
    unwanted,     // nobody waited any more, and it was not sent
    refused,      // the server answered with an error: see sqlstate
};

// Rows of text values; nullopt is NULL.
using Row = std::vector<std::optional<std::string>>;

struct Outcome {
    Status status = Status::unavailable;
    std::string sqlstate;  // five characters, or empty
    std::string message;   // the primary message alone: DETAIL holds values
    std::vector<Row> rows;
    bool outdated = false;     // it was sent before the last renew()
    std::uint64_t server = 0;  // Identity::server of who has answered
};

// `bytes` is copied into the query; `binary` says bytea as it is.
struct Parameter {
    std::optional<std::string> bytes;
    bool binary = false;
};

struct Query {
    std::size_t layout = 0;  // what add_layout() returned
    Statement statement = Statement::lookup;
    std::vector<Parameter> parameters;
    // Called exactly once, from the loop and never from inside submit(),
    // unless the pool is destroyed before.
    std::function<void(Outcome&&)> done;
    // Asked before it is sent, and when the budget is used up: false where
    // nobody waits for it any more. Empty: it is always wanted.
    std::function<bool()> wanted = nullptr;
    // How much of the time that it may take has gone by already.
    Milliseconds waited{0};
};

// Raw tokens as one parameter of type bytea[].
[[nodiscard]] Parameter bytea_array(
    const std::vector<std::string_view>& elements);

// One connection as its server sees it.
struct ConnectionFigure {
    enum class State {
        connecting,  // it takes no statements yet
        idle,
        busy,       // it owes an answer
        listening,  // for revocations
    };
    static constexpr std::size_t states = 4;

    std::string server;  // host:port; empty while names are resolved
    State state;
};

class Pool {
  public:
    // `reactor` outlives the pool.
    Pool(Reactor& reactor, PoolOptions options);
    ~Pool();  // closes every connection, drops what waits
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Before the first submit(); equal layouts share a number.
    std::size_t add_layout(const Layout& layout);

    // Reads of one kind and one turn of the loop share a sync on one
    // connection, and lookups of one layout a statement; a write goes alone. A
    // read is repeated on another connection when its own is lost, a write
    // never. Both are where the server has rolled them back for a deadlock.
    void submit(Query query);

    // `stored` was seen: last_active_at is written with those of others, when
    // nothing else waits for a connection. Forgotten where there are too many
    // of them, or PostgreSQL is out of reach.
    void touch(std::size_t layout, std::string_view stored);

    // From now on queries go over connections that are yet to be opened; the
    // others are closed once they have answered what they were sent.
    void renew();

    [[nodiscard]] std::vector<ConnectionFigure> connections() const;

    // For the log and the tests.
    struct Counters {
        unsigned open = 0;     // connections that answer
        unsigned waiting = 0;  // queries without a connection
        std::array<unsigned, work_count> waiting_by_work{};
        unsigned touches = 0;         // collected and not yet a query
        unsigned inflight = 0;        // queries sent and not answered
        std::uint64_t connects = 0;   // connections that opened, ever
        std::uint64_t syncs = 0;      // sent, ever; looks at the catalog too
        std::uint64_t failovers = 0;  // connections to another server, ever
        // Connections after one that was lost or could not be opened, ever;
        // not after one that was no longer needed.
        std::uint64_t reconnects = 0;
        // Queries that were sent together, ever: how often up to so many, and
        // how often more.
        std::array<std::uint64_t, batch_bounds.size() + 1> batches{};
        std::uint64_t batched = 0;  // queries of all batches
    };
    [[nodiscard]] Counters counters() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sigra::postgres
