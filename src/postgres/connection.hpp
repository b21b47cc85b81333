// One connection of a pool: connects, learns what the layouts' tables look
// like, prepares, sends batches down the pipeline and takes their answers.
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

// The pool, as a connection sees it. Nothing of it destroys the connection
// before the next turn.
class ConnectionOwner {
  public:
    virtual const PoolOptions& options() const = 0;
    virtual const std::vector<Layout>& layouts() const = 0;
    // A connection of an earlier one is sent nothing more.
    virtual std::uint64_t era() const = 0;

    virtual void opened(Connection& connection) = 0;
    // The first answer to a query.
    virtual void proved() = 0;
    // Its oldest question waits for too long: another connection may know.
    virtual void silent() noexcept = 0;
    // Answers were taken: there may be room.
    virtual void progressed(Connection& connection) = 0;
    // `pending.outcome` is set.
    virtual void answered(Pending& pending) noexcept = 0;
    // The query was not executed, or only read: `entry` of `from` again.
    virtual void repeat(Entries& from, Entries::iterator entry) noexcept = 0;
    // Takes the queries out of `inflight`.
    virtual void lost(Connection& connection, Entries& inflight,
                      std::string_view reason) noexcept = 0;
    // The server takes no writes any more: none of its connections is used.
    virtual void demoted(Connection& connection) noexcept = 0;
    // A number that no query has.
    virtual std::uint64_t new_group() noexcept = 0;
    // A lookup has failed, and for no reason but its own row.
    virtual void erred(const Pending& pending) noexcept = 0;
    // The tables are no longer what some connection believes.
    virtual void forget(std::size_t layout) noexcept = 0;
    // Null: the layout's statements are ready.
    virtual void layout_checked(std::size_t layout, const Outcome* error) = 0;
    // The same of its logins, which are all that an error here refuses.
    virtual void login_checked(std::size_t layout, const Outcome* error) = 0;
    // A statement of many lookups means nothing here: each is one of its own.
    virtual void not_together(std::size_t layout, const Outcome& error) = 0;
    // What the catalog made one wonder about.
    virtual void layout_warned(std::size_t layout,
                               const std::vector<std::string>& warnings) = 0;
    // The conditions and attributes that mean nothing here, a line each.
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
    [[nodiscard]] bool takes_queries() const {
        return life_ == Life::open && !retired();
    }
    // Queries sent and not answered.
    [[nodiscard]] std::size_t inflight() const { return queries_; }
    [[nodiscard]] bool idle() const { return inflight_.empty(); }
    // What it was sent and has not answered; idle: nothing.
    [[nodiscard]] Work work() const { return work_; }
    [[nodiscard]] bool serves_lookups() const {
        return inflight_.empty() || work_ == Work::lookup;
    }
    [[nodiscard]] std::size_t unanswered_syncs() const {
        return unanswered_syncs_;
    }
    // When it was last sent something while idle, or answered.
    [[nodiscard]] Milliseconds progressed_at() const { return progressed_at_; }
    // The oldest question has waited for a third of the time that it has.
    [[nodiscard]] bool is_silent() const;
    // What it has that others may be asked goes back to `queue`; its own
    // answers, should they come, are for nobody.
    void hand_back(Entries& queue, Work work);
    // Nobody waits for this answer any more.
    static void forsake(Pending& pending);
    // Of a lost one: for want of an answer.
    [[nodiscard]] bool was_silent() const { return was_silent_; }
    // Of a lost one: it had been open.
    [[nodiscard]] bool was_open() const { return was_open_; }
    // It has answered a query: the server is not only there, it works.
    [[nodiscard]] bool proved() const { return proved_; }
    [[nodiscard]] std::uint64_t syncs() const { return syncs_; }
    // Identity::server of the one that it is connected to.
    [[nodiscard]] std::uint64_t server() const { return identity_.server; }
    // See ConnectionFigure.
    [[nodiscard]] std::string server_name() const {
        const Endpoint* endpoint = connecting_.whereto();
        return endpoint ? host_and_port(*endpoint) : "";
    }
    // Where it leads, once it is open.
    [[nodiscard]] const Endpoint& endpoint() const {
        return connecting_.endpoint();
    }

    // Whether queries of a layout can be sent; looks at the layout again
    // where that is due. It may lose the connection.
    Readiness readiness(std::size_t layout);
    // Why, where readiness() said refused.
    [[nodiscard]] const Outcome& refusal(std::size_t layout) const;
    // Its next query waits for a fresh look at the catalog.
    void forget(std::size_t layout) noexcept;

    // Sends the batch, all of one work, under one sync and takes its entries.
    // Where the connection is lost on the way, what was not taken stays in the
    // batch.
    void send(Entries& batch);

    // A retired connection goes, unless it still owes an answer.
    void retire() noexcept;
    void lose(std::string_view reason) noexcept;
    // The same, where nothing is wrong with it.
    void give_up(std::string_view reason) noexcept {
        given_up_ = true;
        lose(reason);
    }
    [[nodiscard]] bool given_up() const { return given_up_; }

  private:
    enum class Look { unread, reading, checking, ready, broken };
    // What is known of a layout on this server.
    struct Known {
        Look look = Look::unread;
        bool refreshing = false;  // ready, and the catalog is read again
        Catalog catalog;
        Layout layout;  // as configured, without the facts that mean nothing
        // What was read last, while the facts are checked by it.
        Catalog read;
        Layout usable;
        std::vector<std::string> broken;
        std::size_t unchecked = 0;
        std::uint64_t generation = 0;
        std::array<std::string, statement_count> sql;
        std::array<bool, statement_count> prepared{};
        bool puts_together = true;  // false: lookup_many means nothing here
        Outcome error;              // broken: why
        Milliseconds looked_at{0};
        Milliseconds no_repair_before{0};
    };

    // In the sync whose answers are being taken.
    struct FailedPrepare {
        std::size_t layout;
        Statement statement;
        Outcome outcome;
    };

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

    // watchdog.cpp: questions that are not answered
    void expect(Entry entry);
    void watch();
    void watched();

    // together.cpp: lookups that go as one statement
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

    // sending.cpp: what goes out
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

    // known.cpp: the layouts
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
    const std::uint64_t era_;
    Life life_ = Life::connecting;
    Connecting connecting_;
    ConnPtr conn_;
    std::unique_ptr<Watch> watch_;  // goes before conn_ closes its socket
    bool wants_write_ = false;
    bool marked_idle_ = false;
    // Runs while the connection itself waits for the server.
    std::unique_ptr<Timer> patience_;
    std::size_t looking_ = 0;
    // Runs while there is a question. Where it stands is seen when it fires.
    std::unique_ptr<Timer> watchdog_;
    Identity identity_;  // as it was when the connection opened

    Entries inflight_;
    Entries executed_;  // writes that wait for their sync
    std::size_t queries_ = 0;
    Work work_ = Work::lookup;
    std::size_t unanswered_syncs_ = 0;
    // Lookups that go in one statement, and what that is reckoned from.
    std::size_t most_together_ = 16;
    std::size_t looked_up_ = 0;  // since the last sync was answered
    Milliseconds turned_at_{0};  // it was, or what is in flight was begun
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
    std::uint64_t aborted_group_ = 0;  // in the same sync; 0: nobody is yet
    // Of the parameters of a query that is being sent.
    std::vector<const char*> values_;
    std::vector<int> lengths_;
    std::vector<int> formats_;
};

// One row of a result, its first columns.
[[nodiscard]] Row row_of(const PGresult* result, int number, int columns);
// Rows, or what an error says.
[[nodiscard]] Outcome outcome_of(const PGresult* result);

}  // namespace sigra::postgres
