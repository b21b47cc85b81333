// The implementation of Pool. pool.cpp keeps the queries and the connections;
// dispatch.cpp assigns queries to connections.
#pragma once

#include <array>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/backoff.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/erring.hpp"
#include "postgres/pending.hpp"
#include "postgres/pool.hpp"

namespace sigra::postgres {

class Pool::Impl final : public ConnectionOwner {
  public:
    Impl(Reactor& reactor, PoolOptions options);
    ~Impl();

    std::size_t add_layout(const Layout& layout);
    void submit(Query query);
    void warm_up();
    void touch(std::size_t layout, std::string_view stored);
    void renew(std::uint64_t server = 0);
    [[nodiscard]] Counters counters() const;
    [[nodiscard]] std::vector<ConnectionFigure> connections() const;

  private:
    // ConnectionOwner
    const PoolOptions& options() const override { return options_; }
    const std::vector<Layout>& layouts() const override { return layouts_; }
    std::uint64_t era() const override { return era_; }
    void opened(Connection& connection) override;
    void proved() override;
    void silent() noexcept override;
    void progressed(Connection& connection) override;
    void answered(Pending& pending) noexcept override;
    void repeat(Entries& from, Entries::iterator entry) noexcept override;
    void lost(Connection& connection, Entries& inflight,
              std::string_view reason) noexcept override;
    void demoted(Connection& connection) noexcept override;
    std::uint64_t new_group() noexcept override { return ++groups_; }
    void erred(const Pending& pending) noexcept override {
        erring_.add(pending.query);
    }
    void forget(std::size_t layout) noexcept override;
    void layout_checked(std::size_t layout, const Outcome* error) override;
    void login_checked(std::size_t layout, const Outcome* error) override;
    void not_together(std::size_t layout, const Outcome& error) override;
    void layout_warned(std::size_t layout,
                       const std::vector<std::string>& warnings) override;
    void facts_checked(std::size_t layout,
                       const std::vector<std::string>& broken) override;

    // pool.cpp
    Entries& waiting(Work work) {
        return waiting_[static_cast<std::size_t>(work)];
    }
    [[nodiscard]] unsigned& unanswered(Work work) {
        return unanswered_[static_cast<std::size_t>(work)];
    }
    void answer(Pending& pending, Status status,
                std::string_view message) noexcept;
    void expire();
    void deliver();
    void count_failure(const Connection& connection, std::string_view reason,
                       bool quiet);
    void complain(const std::string& message);
    void log_new(LogLevel level, std::vector<std::string>& logged,
                 const std::vector<std::string>& lines);
    [[nodiscard]] std::string tables(std::size_t layout) const;
    void report(std::string& logged, const std::string& subject,
                const Outcome* error);

    // admission.cpp
    [[nodiscard]] std::optional<Status> refusal(Work work);
    [[nodiscard]] bool is_usable() const;
    [[nodiscard]] bool has_room(Work work);
    void drop_unwanted(Work work);

    // groups.cpp
    void take_ready(Connection& connection, Entries& queue);
    void take_group(Entries& group);
    [[nodiscard]] bool goes_apart(Pending& pending);

    // dispatch.cpp
    void dispatch();
    void reap();
    void ask_elsewhere();
    void send_lookups();
    void send_others();
    bool send_other(Work work);
    void send_touches();
    void open_more();
    void open();
    void close_surplus();
    Connection* lookup_lane();
    Connection* other_lane(Work work);
    [[nodiscard]] bool is_held_up(const Connection& connection) const;
    [[nodiscard]] bool others_wait();
    void watch_lanes();
    Connection::Readiness readiness(Connection& connection,
                                    Entries::iterator entry);
    void send(Connection& connection, Entries& batch);

    Reactor& reactor_;
    PoolOptions options_;
    ConnInfo conninfo_;
    std::vector<Layout> layouts_;
    // By layout, what was logged last; empty if all is well.
    std::vector<std::string> layout_errors_;
    std::vector<std::string> login_errors_;
    std::vector<std::vector<std::string>> together_errors_;
    std::vector<std::vector<std::string>> layout_warnings_;
    std::vector<std::vector<std::string>> broken_facts_;

    // Unanswered queries, ordered by deadline.
    std::list<Pending> live_;
    std::list<Pending> answered_;
    std::array<unsigned, work_count> unanswered_{};  // queries of each work
    std::array<Entries, work_count> waiting_;        // without a connection
    Entries shared_;  // about to be sent, all under one sync
    Entries apart_;   // about to be sent, a sync for each Pending::group
    std::uint64_t groups_ = 0;
    Erring erring_;
    // Stored tokens whose last_active_at is to be written, by layout.
    std::vector<std::set<std::string, std::less<>>> touches_;

    std::vector<std::unique_ptr<Connection>> connections_;
    std::uint64_t era_ = 0;
    // Gets no new lookups: once idle, it is for another kind of work.
    Connection* reserved_ = nullptr;
    Work last_other_ = Work::write;  // login reads and writes take turns
    bool warming_up_ = false;        // until the first query or failure
    bool silence_ = false;           // a connection is silent
    bool missed_ = false;            // a query was refused: server is down
    bool crowded_ = false;           // lookups wait, or queued behind others
    std::uint64_t past_syncs_ = 0;   // of connections that are gone
    std::uint64_t server_ = 0;       // Identity::server of the last connection
    std::uint64_t failovers_ = 0;
    std::uint64_t reconnects_ = 0;
    bool failed_ = false;  // a connection failed, and none was opened since
    std::array<std::uint64_t, batch_bounds.size() + 1> batches_{};
    std::uint64_t batched_ = 0;
    std::uint64_t connects_ = 0;

    Backoff backoff_;
    std::string complaint_;  // the last error that was logged
    Milliseconds complained_at_{0};
    bool restored_to_log_ = false;  // log when a connection opens again
    std::string trouble_;           // why there is no connection

    std::unique_ptr<Posted> dispatch_;
    std::unique_ptr<Posted> deliver_;
    std::unique_ptr<Timer> deadline_;
    std::unique_ptr<Timer> retry_;
    std::unique_ptr<Timer> lanes_;  // a connection may count as held up then
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sigra::postgres
