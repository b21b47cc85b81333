#include <algorithm>
#include <optional>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {

using Life = Connection::Life;
using Readiness = Connection::Readiness;

namespace {

constexpr Milliseconds out_of_memory_pause{100};
// The server executes one sync while the next one waits for it, so it is never
// idle in between. Lookups that arrive meanwhile are collected and sent
// together.
constexpr std::size_t max_syncs = 2;
// A connection whose work other than lookups takes longer counts as held up: it
// waits for a lock, or reads a whole table.
constexpr Milliseconds held_up_after{100};
constexpr std::size_t max_touched_at_once = 256;

}  // namespace

void Pool::Impl::dispatch() {
    try {
        reap();
        crowded_ = false;
        ask_elsewhere();
        send_lookups();
        send_others();
        // A connection that was reserved for other work may be free now.
        send_lookups();
        open_more();
        close_surplus();
        watch_lanes();
    } catch (...) {
        retry_->start(out_of_memory_pause);
    }
}

void Pool::Impl::reap() {
    if (reserved_ && reserved_->life() == Life::lost) {
        reserved_ = nullptr;
    }
    std::erase_if(connections_, [this](const auto& connection) {
        if (connection->life() != Life::lost) {
            return false;
        }
        past_syncs_ += connection->syncs();
        return true;
    });
}

// Takes unanswered reads back from silent connections, so that another one
// answers them. If there is no other, open_more() opens one.
void Pool::Impl::ask_elsewhere() {
    if (!silence_) {
        return;
    }
    silence_ = false;
    const bool elsewhere = is_usable();
    for (const auto& connection : connections_) {
        if (!connection->is_silent()) {
            continue;
        }
        silence_ = true;
        if (elsewhere) {
            connection->hand_back(waiting(Work::lookup), Work::lookup);
            connection->hand_back(waiting(Work::login), Work::login);
        }
    }
}

// Returns the first connection that has room, so that the later ones stay free
// for other work.
Connection* Pool::Impl::lookup_lane() {
    for (const auto& connection : connections_) {
        if (connection->takes_queries() && connection->serves_lookups() &&
            !connection->is_silent() && connection.get() != reserved_ &&
            connection->unanswered_syncs() < max_syncs) {
            return connection.get();
        }
    }
    return nullptr;
}

void Pool::Impl::send_lookups() {
    drop_unwanted(Work::lookup);
    Entries& lookups = waiting(Work::lookup);
    if (lookups.empty()) {
        return;
    }
    Connection* connection = lookup_lane();
    crowded_ = !connection || connection->inflight() > 0;
    if (!connection) {
        return;
    }
    take_ready(*connection, lookups);
    send(*connection, shared_);
    Entries group;
    while (!apart_.empty() && connection->life() == Life::open) {
        take_group(group);
        send(*connection, group);
        lookups.splice(lookups.begin(), group);
    }
    lookups.splice(lookups.begin(), apart_);
    lookups.splice(lookups.begin(), shared_);
}

// Sends login reads and writes in turn, because they may share a connection.
// Background work is sent only if none of them waits.
void Pool::Impl::send_others() {
    bool sent = true;
    while (sent) {
        const bool login_first = last_other_ != Work::login;
        sent = send_other(login_first ? Work::login : Work::write);
        sent = send_other(login_first ? Work::write : Work::login) || sent;
    }
    if (waiting(Work::login).empty() && waiting(Work::write).empty()) {
        send_touches();
        while (send_other(Work::background)) {
        }
    }
    if (!others_wait()) {
        reserved_ = nullptr;
    }
}

// Returns true if something was sent. Login reads are sent together, under one
// sync. Writes are sent one at a time, because one of them may wait for a row
// lock.
bool Pool::Impl::send_other(Work work) {
    drop_unwanted(work);
    Entries& queue = waiting(work);
    Connection* connection = queue.empty() ? nullptr : other_lane(work);
    if (!connection) {
        return false;
    }
    if (work == Work::login) {
        take_ready(*connection, queue);
        if (shared_.empty() && !apart_.empty()) {
            take_group(shared_);
        }
        queue.splice(queue.begin(), apart_);
    } else {
        for (auto it = queue.begin(); it != queue.end() && shared_.empty();) {
            const auto entry = it++;
            if (readiness(*connection, entry) == Readiness::ready) {
                shared_.splice(shared_.end(), queue, entry);
            }
        }
    }
    const bool sent = !shared_.empty();
    if (sent) {
        reserved_ = nullptr;
        last_other_ = work;
    }
    send(*connection, shared_);
    const bool taken = sent && shared_.empty();
    queue.splice(queue.begin(), shared_);
    return taken;
}

// Submits one statement with the collected sessions of one layout, unless
// background work is unanswered.
void Pool::Impl::send_touches() {
    if (unanswered(Work::background) > 0) {
        return;
    }
    for (std::size_t layout = 0; layout < touches_.size(); layout++) {
        auto& touches = touches_[layout];
        if (touches.empty()) {
            continue;
        }
        std::vector<std::string_view> tokens;
        auto end = touches.begin();
        while (end != touches.end() && tokens.size() < max_touched_at_once) {
            tokens.push_back(*end++);
        }
        submit({.layout = layout,
                .statement = Statement::touch,
                .parameters = {bytea_array(tokens)},
                .done = [](Outcome&&) {}});
        touches.erase(touches.begin(), end);
        return;
    }
}

bool Pool::Impl::is_held_up(const Connection& connection) const {
    return !connection.serves_lookups() &&
           reactor_.now() - connection.progressed_at() >= held_up_after;
}

bool Pool::Impl::others_wait() {
    return !waiting(Work::login).empty() || !waiting(Work::write).empty() ||
           !waiting(Work::background).empty();
}

// Returns an idle connection, or for a login read one that executes login
// reads. If there is none, one is reserved until it is idle. One connection is
// left to the lookups, unless only one is configured or usable. Connections
// that are held up are not counted.
Connection* Pool::Impl::other_lane(Work work) {
    unsigned usable = 0;
    unsigned spare = 0;
    unsigned busy = 0;
    Connection* idle = nullptr;
    Connection* last = nullptr;
    Connection* logins = nullptr;
    for (const auto& connection : connections_) {
        if (!connection->takes_queries() || connection->is_silent()) {
            continue;
        }
        usable++;
        if (!connection->serves_lookups()) {
            busy += is_held_up(*connection) ? 0 : 1;
            if (connection->work() == Work::login && !is_held_up(*connection)) {
                logins = connection.get();
            }
            continue;
        }
        spare++;
        last = connection.get();
        if (connection->idle()) {
            idle = connection.get();
        }
    }
    const bool lookups_wait = spare == 0 && !waiting(Work::lookup).empty();
    if (work == Work::login && logins && logins != reserved_ && !lookups_wait) {
        return logins;
    }
    const bool may_take = spare > 1 || usable == 1 || options_.connections == 1;
    if (busy >= std::max(1U, options_.connections - 1) || !may_take) {
        if (work == Work::write && logins) {
            reserved_ = logins;
        } else if (reserved_ && reserved_->serves_lookups()) {
            reserved_ = nullptr;
        }
        return nullptr;
    }
    if (reserved_ && reserved_->takes_queries() && reserved_->idle()) {
        return reserved_;
    }
    if (idle) {
        return idle;
    }
    if (!reserved_) {
        reserved_ = last;
    }
    return nullptr;
}

// Answers the query with the error if its layout is broken.
Readiness Pool::Impl::readiness(Connection& connection,
                                Entries::iterator entry) {
    if (connection.life() != Life::open) {
        return Readiness::wait;
    }
    Readiness readiness = Readiness::wait;
    try {
        readiness = connection.readiness(entry->layout);
        if (readiness == Readiness::refused) {
            Pending& pending = *entry->pending;
            pending.outcome = connection.refusal(entry->layout);
            waiting(pending.work).erase(entry);
            answered(pending);
        }
    } catch (...) {
        connection.lose("out of memory");
        readiness = Readiness::wait;
    }
    return readiness;
}

void Pool::Impl::send(Connection& connection, Entries& batch) {
    if (batch.empty()) {
        return;
    }
    const std::size_t wanted = batch.size();
    try {
        connection.send(batch);
    } catch (...) {
        connection.lose("out of memory");
    }
    const std::size_t sent = wanted - batch.size();
    if (sent > 0) {
        const auto* bound =
            std::lower_bound(batch_bounds.begin(), batch_bounds.end(), sent);
        batches_[static_cast<std::size_t>(bound - batch_bounds.begin())]++;
        batched_ += sent;
    }
}

// Opens one connection at a time, and waits for the backoff after a failure.
// Retired connections are not counted. Neither are those that are held up or
// silent, up to the configured number, so there are at most twice as many.
void Pool::Impl::open_more() {
    unsigned open_ones = 0;
    unsigned held_up = 0;
    unsigned spare = 0;
    for (const auto& connection : connections_) {
        if (connection->retired()) {
            continue;
        }
        if (connection->life() == Life::open) {
            const bool is_silent = connection->is_silent();
            open_ones++;
            held_up += is_silent || is_held_up(*connection) ? 1 : 0;
            spare += connection->serves_lookups() && !is_silent ? 1 : 0;
        } else if (connection->life() != Life::lost) {
            return;
        }
    }
    const bool wanted = (warming_up_ && open_ones == 0) || crowded_ ||
                        missed_ || others_wait() ||
                        !waiting(Work::lookup).empty() ||
                        (open_ones > 0 && spare == 0);
    const bool retrying = backoff_.failing() && open_ones == 0;
    const unsigned most =
        options_.connections + std::min(held_up, options_.connections);
    if (open_ones >= most || (!wanted && !retrying)) {
        return;
    }
    const Milliseconds now = reactor_.now();
    const Milliseconds due = backoff_.due(wanted);
    if (now < due) {
        retry_->start(due - now);
        return;
    }
    open();
}

// Closes a connection that open_more() opened in place of one that was held up.
void Pool::Impl::close_surplus() {
    unsigned working = 0;
    Connection* idle = nullptr;
    for (const auto& connection : connections_) {
        if (connection->takes_queries() && !is_held_up(*connection)) {
            working++;
            idle = connection->idle() ? connection.get() : idle;
        }
    }
    if (idle && working > options_.connections && !others_wait()) {
        idle->give_up("no longer needed");
    }
}

// If work waits, dispatches again at the time when the next connection counts
// as held up.
void Pool::Impl::watch_lanes() {
    const Milliseconds now = reactor_.now();
    std::optional<Milliseconds> next;
    for (const auto& connection : connections_) {
        if (connection->takes_queries() && !connection->serves_lookups()) {
            const Milliseconds due =
                connection->progressed_at() + held_up_after;
            if (due > now && (!next || due < *next)) {
                next = due;
            }
        }
    }
    const bool waited_for = others_wait() || (options_.connections == 1 &&
                                              !waiting(Work::lookup).empty());
    if (next && waited_for) {
        lanes_->start(*next - now);
    } else {
        lanes_->stop();
    }
}

void Pool::Impl::open() {
    connections_.push_back(
        std::make_unique<Connection>(reactor_, *this, conninfo_));
    backoff_.tried(reactor_.now());
    missed_ = false;
    Connection& connection = *connections_.back();
    try {
        connection.start();
    } catch (...) {
        connection.lose("out of memory");
    }
}

}  // namespace sigra::postgres
