// One connection of a pool. It connects, reads what the layouts' tables look
// like, prepares statements, sends batches in pipeline mode and takes their
// answers.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/connecting.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/identity.hpp"
#include "postgres/pending.hpp"
#include "postgres/pool.hpp"
#include "postgres/pq.hpp"
#include "postgres/reactor.hpp"
#include "postgres/statements.hpp"

namespace sigra::postgres {

// The pool, as a connection sees it. None of these calls destroys the
// connection; the pool does that in a later turn of the loop.
class ConnectionOwner {
  public:
    virtual const PoolOptions& options() const = 0;
    virtual const std::vector<Layout>& layouts() const = 0;
    // Counts the renewals of the pool. A connection of an earlier era is sent
    // no more queries.
    virtual std::uint64_t era() const = 0;

    virtual void opened(Connection& connection) = 0;
    // The connection got its first answer to a query.
    virtual void proved() = 0;
    // The oldest query has waited too long; another connection may answer it.
    virtual void silent() noexcept = 0;
    // Answers were taken, so there may be room for more queries.
    virtual void progressed(Connection& connection) = 0;
    // `pending.outcome` is set.
    virtual void answered(Pending& pending) noexcept = 0;
    // Queues the query of `entry` again. It was not executed, or only read.
    virtual void repeat(Entries& from, Entries::iterator entry) noexcept = 0;
    // The connection is lost. Takes all queries out of `inflight`.
    virtual void lost(Connection& connection, Entries& inflight,
                      std::string_view reason) noexcept = 0;
    // The server no longer accepts writes. The pool stops using all of its
    // connections.
    virtual void demoted(Connection& connection) noexcept = 0;
    // Returns a number that no other query has.
    virtual std::uint64_t new_group() noexcept = 0;
    // A lookup failed because of its own row.
    virtual void erred(const Pending& pending) noexcept = 0;
    // The tables have changed: every connection reads the catalog again.
    virtual void forget(std::size_t layout) noexcept = 0;
    // The layout's statements were checked. Null: they are ready.
    virtual void layout_checked(std::size_t layout, const Outcome* error) = 0;
    // The same for logins. An error refuses logins only.
    virtual void login_checked(std::size_t layout, const Outcome* error) = 0;
    // The statement that combines lookups fails on this server, so that each
    // lookup is sent as a statement of its own.
    virtual void not_together(std::size_t layout, const Outcome& error) = 0;
    // Warnings about the tables, from the catalog.
    virtual void layout_warned(std::size_t layout,
                               const std::vector<std::string>& warnings) = 0;
    // The conditions and attributes that the server refused, one line each.
    virtual void facts_checked(std::size_t layout,
                               const std::vector<std::string>& broken) = 0;

  protected:
    ~ConnectionOwner() = default;
};

class Connection final : private IoHandler {
  public:
    enum class Life { connecting, preparing, open, lost };
    enum class Readiness { ready, wait, refused };

    Connection(Reactor& reactor, ConnectionOwner& owner, ConnInfo& conninfo);
    ~Connection() = default;
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    void start();

    [[nodiscard]] Life life() const { return life_; }
    [[nodiscard]] bool retired() const { return era_ != owner_.era(); }
    // Begins a new era of the owner if it leads to that server. Its server may
    // be unknown yet: then it is retired when it opens to another one.
    void stay_for(std::uint64_t era, std::uint64_t server) {
        const bool unknown = life_ == Life::preparing && identity_.server == 0;
        if (unknown || identity_.server == server) {
            era_ = era;
            expected_ = server;
        }
    }
    [[nodiscard]] bool is_as_expected() const {
        return expected_ == 0 || expected_ == identity_.server;
    }
    void retire_when_idle() { era_ = no_era; }
    [[nodiscard]] bool takes_queries() const {
        return life_ == Life::open && !retired();
    }
    // Queries sent and not answered.
    [[nodiscard]] std::size_t inflight() const { return queries_; }
    [[nodiscard]] bool idle() const { return inflight_.empty(); }
    // The kind of the unanswered queries; Work::lookup if there are none.
    [[nodiscard]] Work work() const { return work_; }
    [[nodiscard]] bool serves_lookups() const {
        return inflight_.empty() || work_ == Work::lookup;
    }
    [[nodiscard]] std::size_t unanswered_syncs() const {
        return unanswered_syncs_;
    }
    // When it last answered, or was sent something while idle.
    [[nodiscard]] Milliseconds progressed_at() const { return progressed_at_; }
    // It has unanswered reads, and no answer came for a third of `timeout`.
    [[nodiscard]] bool is_silent() const;
    // Moves the unanswered reads of one kind back to `queue`, so that another
    // connection can answer them. Answers that still arrive are dropped.
    void hand_back(Entries& queue, Work work);
    // Detaches the query from its connection, which then drops the answer.
    static void forsake(Pending& pending);
    // Of a lost connection: it was lost because it did not answer in time.
    [[nodiscard]] bool was_silent() const { return was_silent_; }
    // Of a lost connection: it had been open.
    [[nodiscard]] bool was_open() const { return was_open_; }
    // It has answered a query, which shows that the server works.
    [[nodiscard]] bool proved() const { return proved_; }
    [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
    // Identity::server of its server.
    [[nodiscard]] std::uint64_t server() const { return identity_.server; }
    // See ConnectionFigure.
    [[nodiscard]] std::string server_name() const {
        const Endpoint* endpoint = connecting_.whereto();
        return endpoint ? host_and_port(*endpoint) : "";
    }
    // The address of its server, once it is open.
    [[nodiscard]] const Endpoint& endpoint() const {
        return connecting_.endpoint();
    }

    // Whether queries of a layout can be sent now. Reads the catalog again if
    // that is due. The connection may be lost in this call.
    Readiness readiness(std::size_t layout);
    // The error, after readiness() returned `refused`.
    [[nodiscard]] const Outcome& refusal(std::size_t layout) const;
    // The layout's next query waits until the catalog has been read again.
    void forget(std::size_t layout) noexcept;

    // Sends the batch, whose queries are all of one kind, under one sync and
    // takes its entries. If the connection is lost meanwhile, the entries that
    // were not sent stay in the batch.
    void send(Entries& batch);

    // Closes the connection if it has no unanswered queries.
    void retire() noexcept;
    void lose(std::string_view reason) noexcept;
    // The same, but does not count as a failure of the connection.
    void give_up(std::string_view reason) noexcept {
        given_up_ = true;
        lose(reason);
    }
    [[nodiscard]] bool given_up() const { return given_up_; }

  private:
    enum class Look { unread, reading, checking, ready, broken };
    // What is known about a layout on this server.
    struct Known {
        Look look = Look::unread;
        bool refreshing = false;  // ready, and the catalog is being read again
        Catalog catalog;
        Layout layout;  // as configured, without the facts that were refused
        // The same two while the facts are being checked.
        Catalog read;
        Layout usable;
        std::vector<std::string> broken;  // the facts refused, for the log
        std::size_t unchecked = 0;        // facts whose check is unanswered
        std::uint64_t generation = 0;     // of the statements; in their names
        std::array<std::string, statement_count> sql;
        std::array<bool, statement_count> prepared{};
        bool puts_together = true;  // false: lookup_many cannot be prepared
        Outcome error;              // Look::broken: the reason
        Milliseconds looked_at{0};
        Milliseconds no_repair_before{0};
    };

    // The PREPARE that failed in the sync whose answers are being taken.
    struct FailedPrepare {
        std::size_t layout;
        Statement statement;
        Outcome outcome;
    };

    static constexpr std::uint64_t no_era = ~std::uint64_t{0};

    void on_io() override;
    void on_close_request() override;

    // connection.cpp: its life and the pump
    void connected(ConnPtr conn, const std::string& error);
    void pump();
    std::size_t take_all();
    void take(const PGresult* result);
    void take_first(const PGresult* result);
    void take_query(const PGresult* result);
    void commit();
    void take_prepare(const Entry& entry, const PGresult* result);
    bool introduce();
    bool demoted(const Pending& pending) const;
    static bool collided(const Pending& pending);
    bool flush();
    void settle();

    // watchdog.cpp: queries that are not answered
    void expect(Entry entry);
    void watch();
    void watched();

    // together.cpp: lookups that share a statement
    [[nodiscard]] std::vector<std::string_view> tokens_of(const Entries& batch);
    bool send_together(Entries& batch,
                       const std::vector<std::string_view>& tokens);
    void take_many(const Entry& many, const PGresult* result);
    void pace();
    bool share_out(std::size_t count, const PGresult* result);
    void ask_apart(std::size_t count, const Outcome& outcome);
    void ask_again(std::size_t count);
    Pending* give_up_front();
    std::uint64_t group_after_abort(std::uint64_t group);

    // sending.cpp: queries that are sent
    bool send_next(Entries& batch);
    bool is_prepared(std::size_t layout, Statement statement);
    void take_entry(Entries& batch, Entries::iterator entry);
    bool send_statement(std::size_t layout, Statement statement,
                        const std::vector<Parameter>& parameters);
    bool prepare(std::size_t layout, Statement statement, Entry::Kind kind);
    bool sync();
    std::string_view unsendable(const Pending& pending);
    const std::string& sql_of(std::size_t layout, Statement statement);
    std::string name_of(std::size_t layout, Statement statement);
    void lose_to_libpq() noexcept;

    // known.cpp: what is known about the layouts
    bool settle_in();
    Known& known(std::size_t layout);
    bool stale(Pending& pending);
    void look(std::size_t layout);
    bool send_catalog_query(std::size_t layout);
    void take_catalog(std::size_t layout, const PGresult* result);
    bool send_fact_checks(std::size_t layout);
    void take_fact(const Entry& entry, const PGresult* result);
    void facts_known(std::size_t layout);
    void take_check(std::size_t layout, const PGresult* result);
    void take_login_check(const Entry& entry, const PGresult* result);
    void looked(std::size_t layout, const Outcome* error);

    Reactor& reactor_;
    ConnectionOwner& owner_;
    std::uint64_t era_;
    std::uint64_t expected_ = 0;  // Identity::server, or any
    Life life_ = Life::connecting;
    Connecting connecting_;
    ConnPtr conn_;
    // Declared after conn_, so that it is destroyed before the socket closes.
    std::unique_ptr<Watch> watch_;
    bool wants_write_ = false;
    bool marked_idle_ = false;
    // Runs while the connection waits for an answer about the tables.
    std::unique_ptr<Timer> patience_;
    std::size_t looking_ = 0;  // layouts whose tables are being read
    // Runs while anything is unanswered; see watched().
    std::unique_ptr<Timer> watchdog_;
    Identity identity_;  // as it was when the connection opened

    Entries inflight_;
    Entries executed_;  // writes that wait for their sync
    std::size_t queries_ = 0;
    Work work_ = Work::lookup;
    std::size_t unanswered_syncs_ = 0;
    // The limit of lookups in one statement, and what it is computed from; see
    // pace().
    std::size_t most_together_ = 16;
    std::size_t looked_up_ = 0;  // since the last sync was answered
    Milliseconds turned_at_{0};  // of that answer, or of the first send after
    Milliseconds progressed_at_{0};
    bool was_open_ = false;
    bool was_silent_ = false;
    bool given_up_ = false;
    bool proved_ = false;
    std::uint64_t syncs_ = 0;
    std::string name_prefix_;
    std::uint64_t generations_ = 0;
    std::vector<Known> known_;
    std::optional<FailedPrepare> failed_prepare_;
    // The group of the queries aborted in the current sync; 0: none yet.
    std::uint64_t aborted_group_ = 0;
    // The parameters of the query that is being sent, kept to reuse memory.
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
};

// The first `columns` columns of row `number` of a result.
[[nodiscard]] Row row_of(const PGresult* result, int number, int columns);
// The rows of a result, or its error.
[[nodiscard]] Outcome outcome_of(const PGresult* result);

}  // namespace sigra::postgres
