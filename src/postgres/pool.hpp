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

// What a query is for. Each kind of work has its own limit of unanswered
// queries, and does not wait behind another kind if there are connections for
// both.
enum class Work {
    lookup,
    login,       // reads for an endpoint, mostly a login; may be slow
    write,       // may wait for a row lock
    background,  // no request waits for it
};
inline constexpr std::size_t work_count = 4;
// Upper bounds of the histogram in Pool::Counters::batches.
inline constexpr std::array<unsigned, 7> batch_bounds{1, 2, 4, 8, 16, 32, 64};
[[nodiscard]] Work work_of(Statement statement);

// Returns libpq's syntax error for a connection string, or "". Does not use
// the network.
[[nodiscard]] std::string conninfo_error(const std::string& conninfo);
// For a well-formed connection string: returns the error that libpq would give
// only when it connects, or "". No value is repeated, because it may be a
// password in the wrong place.
[[nodiscard]] std::string conninfo_value_error(const std::string& conninfo);
// True if it names several hosts and does not ask for one that accepts writes.
[[nodiscard]] bool may_reach_several_servers(const std::string& conninfo);

enum class Status {
    ok,
    timeout,      // the deadline passed; waiting and connecting count too
    unavailable,  // connection lost; for a write the outcome is unknown
    overloaded,   // too many unanswered queries; the database may be fine
    unwanted,     // the request has gone away, and it was not sent
    refused,      // the server answered with an error: see sqlstate
};

// The values of a row as text; nullopt is NULL.
using Row = std::vector<std::optional<std::string>>;

struct Outcome {
    Status status = Status::unavailable;
    std::string sqlstate;  // five characters, or empty
    std::string message;   // the primary message; DETAIL would show values
    std::vector<Row> rows;
    bool outdated = false;     // it was sent before the last renew()
    std::uint64_t server = 0;  // Identity::server of the answering server
};

// nullopt is NULL. `binary`: the bytes are sent in PostgreSQL's binary format,
// which for bytea is the bytes themselves.
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
    // Called before the query is sent, and when the queue is full. Returns
    // false if no request waits for it any more. Empty: it is always wanted.
    std::function<bool()> wanted = nullptr;
    // The part of the timeout that was used up before submit().
    Milliseconds waited{0};
};

// The elements as one binary parameter of type bytea[].
[[nodiscard]] Parameter bytea_array(
    const std::vector<std::string_view>& elements);

// One connection as its server sees it.
struct ConnectionFigure {
    enum class State {
        connecting,  // not ready for queries yet
        idle,
        busy,       // waits for an answer
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
    ~Pool();  // closes every connection, drops all queries
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Returns the number of a layout, for Query::layout. Equal layouts share a
    // number. Called before the first submit().
    std::size_t add_layout(const Layout& layout);

    // Reads of one kind that are submitted in one turn of the loop share a
    // sync on one connection, and lookups of one layout also share a statement.
    // A write is sent alone. A read is repeated on another connection if its
    // own is lost, a write is not. Both are repeated if the server rolled them
    // back because of a deadlock.
    void submit(Query query);

    // Opens the first connection before the first query comes, and reads what
    // is needed of the tables. If it fails before a query waits, nothing is
    // logged and nothing is refused because of it. Called once, after the
    // layouts were added.
    void warm_up();

    // Writes last_active_at of the session with the stored token `stored`,
    // together with those of other sessions, when nothing else waits for a
    // connection. Does nothing if too many are collected or PostgreSQL cannot
    // be reached.
    void touch(std::size_t layout, std::string_view stored);

    // Makes what was sent before outdated. Later queries are sent on new
    // connections, or on those to `server` (Identity::server; 0: none); the
    // others are closed once they have answered what they were sent.
    void renew(std::uint64_t server = 0);

    [[nodiscard]] std::vector<ConnectionFigure> connections() const;

    // For the log and the tests.
    struct Counters {
        unsigned open = 0;     // open connections
        unsigned waiting = 0;  // queries without a connection
        std::array<unsigned, work_count> waiting_by_work{};
        unsigned touches = 0;   // collected by touch(), not yet submitted
        unsigned inflight = 0;  // queries sent and not answered
        // The rest are totals since the start.
        std::uint64_t connects = 0;   // connections opened
        std::uint64_t syncs = 0;      // sent, those for the catalog included
        std::uint64_t failovers = 0;  // connections to a different server
        // Connections opened after one was lost or could not be opened, but
        // not after one that was closed because it was no longer needed.
        std::uint64_t reconnects = 0;
        // Batches by the number of queries sent together: one count for each
        // of batch_bounds, and the last for all larger ones.
        std::array<std::uint64_t, batch_bounds.size() + 1> batches{};
        std::uint64_t batched = 0;  // queries of all batches
    };
    [[nodiscard]] Counters counters() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sigra::postgres
