#include "postgres/pool.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {
namespace {

// How often a read is sent at most. If all connections end at once, and again a
// moment later, each of them may cost the read an attempt. There is a limit
// because the read itself may be what crashes the server process.
constexpr unsigned max_sends = 5;
constexpr unsigned alone_from = 3;  // from this attempt on, it is sent alone
constexpr std::size_t max_touches = 4096;

// statement_timeout, a little below `timeout`. A statement that the server
// cancels leaves the connection usable; if the pool gave up first, it would
// have to close the connection.
Milliseconds server_limit(Milliseconds timeout) {
    return timeout - std::min(timeout / 20, Milliseconds(50));
}

}  // namespace

Work work_of(Statement statement) {
    switch (statement) {
        case Statement::lookup:
        case Statement::lookup_part:
        case Statement::lookup_many:
            return Work::lookup;
        case Statement::find_user:
        case Statement::list_sessions:
            return Work::login;
        case Statement::touch:
        case Statement::prune:
            return Work::background;
        default:
            return Work::write;
    }
}

Pool::Pool(Reactor& reactor, PoolOptions options)
    : impl_(std::make_unique<Impl>(reactor, std::move(options))) {}

Pool::~Pool() = default;

std::size_t Pool::add_layout(const Layout& layout) {
    return impl_->add_layout(layout);
}

void Pool::submit(Query query) {
    impl_->submit(std::move(query));
}

void Pool::warm_up() {
    impl_->warm_up();
}

void Pool::touch(std::size_t layout, std::string_view stored) {
    impl_->touch(layout, stored);
}

void Pool::renew(std::uint64_t server) {
    impl_->renew(server);
}

Pool::Counters Pool::counters() const {
    return impl_->counters();
}

std::vector<ConnectionFigure> Pool::connections() const {
    return impl_->connections();
}

Pool::Impl::Impl(Reactor& reactor, PoolOptions options)
    : reactor_(reactor),
      options_(std::move(options)),
      conninfo_(options_.conninfo, server_limit(options_.timeout)),
      backoff_(options_.max_reconnect_delay),
      dispatch_(reactor.posted([this] { dispatch(); })),
      deliver_(reactor.posted([this] { deliver(); })),
      deadline_(reactor.timer([this] { expire(); }, true)),
      retry_(reactor.timer([this] { dispatch(); }, false)),
      lanes_(reactor.timer([this] { dispatch(); }, false)) {}

Pool::Impl::~Impl() {
    *alive_ = false;
    connections_.clear();
}

std::size_t Pool::Impl::add_layout(const Layout& layout) {
    const auto found = std::find(layouts_.begin(), layouts_.end(), layout);
    if (found != layouts_.end()) {
        return static_cast<std::size_t>(found - layouts_.begin());
    }
    layouts_.push_back(layout);
    layout_errors_.emplace_back();
    login_errors_.emplace_back();
    touches_.emplace_back();
    together_errors_.emplace_back();
    layout_warnings_.emplace_back();
    broken_facts_.emplace_back();
    return layouts_.size() - 1;
}

void Pool::Impl::submit(Query query) {
    const Work work = work_of(query.statement);
    if (!has_room(work)) {
        drop_unwanted(work);
    }
    const std::optional<Status> refused = refusal(work);
    live_.emplace_back();
    Pending& pending = live_.back();
    try {
        pending.query = std::move(query);
        pending.work = work;
        pending.write = is_write(pending.query.statement);
        pending.deadline =
            reactor_.now() + options_.timeout - pending.query.waited;
        pending.self = std::prev(live_.end());
        if (refused || pending.query.layout >= layouts_.size()) {
            unanswered(work)++;
            answer(pending, refused.value_or(Status::refused),
                   !refused                         ? "no such layout"
                   : *refused == Status::overloaded ? "the queue is full"
                                                    : trouble_);
            return;
        }
        Entries& queue = waiting(work);
        queue.push_back({.kind = Entry::Kind::query,
                         .layout = pending.query.layout,
                         .statement = pending.query.statement,
                         .pending = &pending});
        pending.entry = std::prev(queue.end());
    } catch (...) {
        live_.pop_back();
        throw;
    }
    warming_up_ = false;
    unanswered(work)++;
    const auto at =
        std::find_if(live_.rbegin(), live_.rend(), [&](const Pending& other) {
            return &other != &pending && other.deadline <= pending.deadline;
        });
    live_.splice(at.base(), live_, pending.self);
    if (!deadline_->running() || pending.self == live_.begin()) {
        deadline_->start(
            std::max(live_.front().deadline - reactor_.now(), Milliseconds(0)));
    }
    dispatch_->schedule();
}

void Pool::Impl::warm_up() {
    warming_up_ = true;
    // Not posted: a worker's first turn waits for an event before that runs.
    dispatch();
}

void Pool::Impl::touch(std::size_t layout, std::string_view stored) {
    std::size_t collected = 0;
    for (const auto& of_layout : touches_) {
        collected += of_layout.size();
    }
    if (layout >= touches_.size() || collected >= max_touches) {
        return;
    }
    touches_[layout].emplace(stored);
    dispatch_->schedule();
}

void Pool::Impl::renew(std::uint64_t server) {
    const std::uint64_t era = era_ + 1;
    for (const auto& connection : connections_) {
        const bool is_there = connection->life() == Connection::Life::open ||
                              connection->life() == Connection::Life::preparing;
        if (server != 0 && is_there && !connection->retired()) {
            connection->stay_for(era, server);
        }
    }
    era_ = era;
    reserved_ = nullptr;
    for (const auto& connection : connections_) {
        if (connection->retired()) {
            connection->retire();
        }
    }
    dispatch_->schedule();
}

void Pool::Impl::opened(Connection& connection) {
    connects_++;
    if (!connection.is_as_expected()) {
        connection.retire_when_idle();
    }
    const std::uint64_t before = std::exchange(server_, connection.server());
    failovers_ += before != 0 && before != server_ ? 1 : 0;
    reconnects_ += std::exchange(failed_, false) ? 1 : 0;
    trouble_.clear();
    if (std::exchange(restored_to_log_, false)) {
        reactor_.log(LogLevel::notice, "connection to PostgreSQL restored");
    }
}

void Pool::Impl::proved() {
    backoff_.worked();
    complaint_.clear();
}

// Whatever made one connection silent, such as a firewall that dropped its
// state, may have done the same to others. So idle and opening connections are
// closed unless they answered within the last sixth of `timeout`. Comparing
// with the last answer of the silent one would keep a connection that answered
// a millisecond later. An attempt to connect that hangs would block the next
// one.
void Pool::Impl::silent() noexcept {
    silence_ = true;
    const Milliseconds heard_since = reactor_.now() - options_.timeout / 6;
    for (const auto& connection : connections_) {
        const bool is_open = connection->life() == Connection::Life::open;
        if (connection->life() != Connection::Life::lost &&
            (connection->idle() || !is_open) &&
            connection->progressed_at() <= heard_since) {
            connection->lose("idle while another connection is silent");
        }
    }
    dispatch_->schedule();
}

void Pool::Impl::progressed(Connection&) {
    if (silence_ || others_wait() || !waiting(Work::lookup).empty() ||
        counters().touches > 0) {
        dispatch_->schedule();
    }
}

void Pool::Impl::answered(Pending& pending) noexcept {
    unanswered(pending.work)--;
    if (pending.group != 0 && pending.outcome.status == Status::ok) {
        erring_.remove(pending.query);
    }
    answered_.splice(answered_.end(), live_, pending.self);
    deliver_->schedule();
    if (live_.empty()) {
        deadline_->stop();
    }
}

void Pool::Impl::answer(Pending& pending, Status status,
                        std::string_view message) noexcept {
    pending.outcome.status = status;
    pending.outcome.rows.clear();
    try {
        pending.outcome.message = message;
    } catch (...) {
        pending.outcome.message.clear();
    }
    answered(pending);
}

void Pool::Impl::repeat(Entries& from, Entries::iterator entry) noexcept {
    Pending& pending = *entry->pending;
    if (pending.sends >= max_sends) {
        erring_.add(pending.query);
        from.erase(entry);
        answer(pending, Status::unavailable, "given up after five attempts");
        return;
    }
    pending.outcome = Outcome();
    // It was part of two failed syncs, and may have caused the failures: from
    // now on it is sent alone.
    if (pending.sends + 1 >= alone_from) {
        pending.group = new_group();
    }
    Entries& queue = waiting(pending.work);
    queue.splice(queue.end(), from, entry);
    dispatch_->schedule();
}

void Pool::Impl::lost(Connection& connection, Entries& inflight,
                      std::string_view reason) noexcept {
    const Milliseconds now = reactor_.now();
    const bool quiet = connection.retired()
                           ? connection.inflight() == 0
                           : connection.was_open() && inflight.empty();
    // The server answers a sync before it begins the next one, so a query that
    // crashed its process is in the first unanswered sync. The queries of later
    // syncs have not used up an attempt. They are queued in front of the first
    // sync, so that it does not fail them again.
    const auto first_sync = std::find_if(
        inflight.begin(), inflight.end(),
        [](const Entry& entry) { return entry.kind == Entry::Kind::sync; });
    const Entry* const begun = inflight.empty() ? nullptr : &inflight.front();
    inflight.splice(inflight.end(), inflight, inflight.begin(), first_sync);
    bool is_begun = false;
    for (auto it = inflight.begin(); it != inflight.end();) {
        const auto entry = it++;
        Pending* pending = entry->pending;
        is_begun = is_begun || &*entry == begun;
        if (!pending) {
            continue;
        }
        pending->connection = nullptr;
        pending->sends -= is_begun ? 0 : 1;
        if (pending->deadline > now && !pending->write) {
            repeat(inflight, entry);
            continue;
        }
        inflight.erase(entry);
        answer(*pending,
               pending->deadline > now ? Status::unavailable : Status::timeout,
               reason);
    }
    // If no query has come yet, its failure does not count.
    const bool unasked =
        !connection.retired() && std::exchange(warming_up_, false);
    failed_ =
        failed_ || !(unasked || connection.retired() || connection.given_up());
    try {
        if (!unasked) {
            count_failure(connection, reason, quiet);
        }
    } catch (...) {
    }
    dispatch_->schedule();
}

// Stops using all connections: the others lead to the same server, or can be
// opened again quickly.
void Pool::Impl::demoted(Connection& connection) noexcept {
    if (connection.retired()) {
        return;
    }
    try {
        conninfo_.leave(connection.endpoint());
        complain("the server no longer accepts writes, connecting again");
    } catch (...) {
        // Out of memory: nothing is logged.
    }
    renew();
}

void Pool::Impl::forget(std::size_t layout) noexcept {
    for (const auto& connection : connections_) {
        connection->forget(layout);
    }
}

void Pool::Impl::expire() {
    const Milliseconds now = reactor_.now();
    while (!live_.empty() && live_.front().deadline <= now) {
        Pending& pending = live_.front();
        if (pending.connection) {
            Connection::forsake(pending);
            answer(pending, Status::timeout, "no answer in time");
            continue;
        }
        waiting(pending.work).erase(pending.entry);
        answer(pending, Status::timeout,
               trouble_.empty() ? "no connection in time" : trouble_);
    }
    if (!live_.empty()) {
        deadline_->start(live_.front().deadline - now);
    }
}

void Pool::Impl::deliver() {
    const std::shared_ptr<bool> alive = alive_;
    std::list<Pending> batch;
    batch.splice(batch.end(), answered_);
    bool failed = false;
    for (Pending& pending : batch) {
        pending.outcome.outdated = pending.era != era_;
        try {
            pending.query.done(std::move(pending.outcome));
        } catch (...) {
            failed = true;  // go on with the other queries
        }
        if (!*alive) {
            return;
        }
    }
    if (failed) {
        reactor_.log(LogLevel::error, "an answer could not be processed");
    }
}

}  // namespace sigra::postgres
