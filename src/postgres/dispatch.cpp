#include <algorithm>
#include <optional>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {

using Life = Connection::Life;
using Readiness = Connection::Readiness;

namespace {

constexpr Milliseconds out_of_memory_pause{100};
// One that is executed and one behind it: the server is never idle between
// two, and what comes meanwhile goes together.
constexpr std::size_t max_syncs = 2;
// Other work that takes longer waits for a lock, or reads a whole table.
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
        // What was kept for other work may be free again.
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

// What a silent connection was asked and another may answer is asked there.
// Where there is no other, one is opened; see open_more().
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

// The first that has room, so that the next serve other work.
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

// Login reads and writes take turns where they share a lane; what nobody
// waits for comes last.
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

// Nothing is put behind a write, for a row lock may hold it up. Login reads
// share a sync among themselves.
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

// Those of one layout at once, and only one such statement at a time.
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

// An idle connection, or for a login read one that has such reads. Where
// there is none, one is set aside until it is idle. One is left to the lookups
// unless there is but one, and what is held up takes no other work's place.
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

// Answers the entry where its layout is out of order.
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

// One attempt at a time, and none while the last failed just now. A retired
// connection that still owes an answer keeps no place, nor does one that is
// held up, so that there are twice as many at most.
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
    const bool wanted = crowded_ || missed_ || others_wait() ||
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

// What was opened beside one that was held up.
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

// Work that waits behind what may soon count as held up.
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
