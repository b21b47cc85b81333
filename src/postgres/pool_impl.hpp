// A pool's inside: pool.cpp keeps queries and connections, dispatch.cpp
// brings them together.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/backoff.hpp"
#include "postgres/connection.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/pending.hpp"
#include "postgres/pool.hpp"

namespace sigra::postgres {

class Pool::Impl final : public ConnectionOwner {
  public:
    Impl(Reactor& reactor, PoolOptions options);
    ~Impl();

    std::size_t add_layout(const Layout& layout);
    void submit(Query query);
    void renew();
    [[nodiscard]] Counters counters() const;

  private:
    // ConnectionOwner
    const PoolOptions& options() const override { return options_; }
    const std::vector<Layout>& layouts() const override { return layouts_; }
    std::uint64_t era() const override { return era_; }
    void opened(Connection& connection) override;
    void proved() override;
    void progressed(Connection& connection) override;
    void answered(Pending& pending) noexcept override;
    void repeat(Entries& from, Entries::iterator entry) noexcept override;
    void lost(Connection& connection, Entries& inflight,
              std::string_view reason) noexcept override;
    void forget(std::size_t layout) noexcept override;
    void layout_checked(std::size_t layout, const Outcome* error) override;

    // pool.cpp
    Entries& waiting(const Pending& pending);
    void answer(Pending& pending, Status status,
                std::string_view message) noexcept;
    void expire();
    void deliver();
    void count_failure(const Connection& connection, std::string_view reason,
                       bool quiet);
    void complain(const std::string& message);

    // dispatch.cpp
    void dispatch();
    void reap();
    void send_writes();
    void send_reads();
    void open_more();
    void open();
    Connection* writer();
    Connection* reader();
    Connection::Readiness readiness(Connection& connection,
                                    Entries::iterator entry);
    void send(Connection& connection, Entries& batch);

    Reactor& reactor_;
    PoolOptions options_;
    ConnInfo conninfo_;
    std::vector<Layout> layouts_;
    std::vector<std::string> layout_errors_;  // as logged; empty: well

    // Unanswered queries, the next deadline first: all have the same timeout.
    std::list<Pending> live_;
    std::list<Pending> answered_;
    Entries reads_;   // without a connection
    Entries writes_;  // without a connection
    Entries shared_;  // what dispatch() is about to send
    Entries alone_;   // the same, a sync for each

    std::vector<std::unique_ptr<Connection>> connections_;
    std::uint64_t era_ = 0;
    Connection* reserved_ = nullptr;  // drained for a write
    bool write_was_last_ = false;
    bool crowded_ = false;  // a batch went behind another
    std::uint64_t past_syncs_ = 0;
    std::uint64_t connects_ = 0;

    Backoff backoff_;
    std::string complaint_;  // the last that was logged
    Milliseconds complained_at_{0};
    bool restored_to_log_ = false;
    std::string trouble_;  // why there is no connection

    std::unique_ptr<Posted> dispatch_;
    std::unique_ptr<Posted> deliver_;
    std::unique_ptr<Timer> deadline_;
    std::unique_ptr<Timer> retry_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sigra::postgres
