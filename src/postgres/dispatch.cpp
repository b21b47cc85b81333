#include <algorithm>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {

using Life = Connection::Life;
using Readiness = Connection::Readiness;

namespace {

constexpr Milliseconds out_of_memory_pause{100};

}  // namespace

void Pool::Impl::dispatch() {
    try {
        reap();
        crowded_ = false;
        send_writes();
        send_reads();
        open_more();
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

// Nothing is put behind a write, for a row lock may hold it up; and where
// there are several connections, writes leave one to the reads. Where there is
// one, they take turns.
void Pool::Impl::send_writes() {
    const auto can_read = std::count_if(
        connections_.begin(), connections_.end(), [](const auto& connection) {
            return connection->takes_queries() && !connection->has_write();
        });
    if (can_read <= 1 && write_was_last_ && !reads_.empty()) {
        reserved_ = nullptr;
        return;
    }
    for (auto it = writes_.begin(); it != writes_.end();) {
        const auto entry = it++;
        Connection* const connection = writer();
        if (!connection) {
            return;
        }
        if (readiness(*connection, entry) == Readiness::ready) {
            shared_.splice(shared_.end(), writes_, entry);
            send(*connection, shared_);
            writes_.splice(writes_.begin(), shared_);
            write_was_last_ = true;
        }
    }
    reserved_ = nullptr;
}

// An idle connection for a write; where there is none, one is set aside until
// it is idle.
Connection* Pool::Impl::writer() {
    const auto writing = std::count_if(
        connections_.begin(), connections_.end(), [](const auto& connection) {
            return connection->has_write() && !connection->retired();
        });
    if (writing >= std::max(1, static_cast<int>(options_.connections) - 1)) {
        reserved_ = nullptr;
        return nullptr;
    }
    Connection* least = reader();
    for (Connection* connection : {reserved_, least}) {
        if (connection && connection->takes_queries() && connection->idle()) {
            reserved_ = nullptr;
            return connection;
        }
    }
    if (!reserved_) {
        reserved_ = least;
    }
    return nullptr;
}

// Where a batch waits the least.
Connection* Pool::Impl::reader() {
    Connection* least = nullptr;
    for (const auto& connection : connections_) {
        if (connection->takes_queries() && !connection->has_write() &&
            connection.get() != reserved_ &&
            (!least || connection->inflight() < least->inflight())) {
            least = connection.get();
        }
    }
    return least;
}

void Pool::Impl::send_reads() {
    Connection* connection = reads_.empty() ? nullptr : reader();
    if (!connection) {
        return;
    }
    crowded_ = connection->inflight() > 0;
    for (auto it = reads_.begin(); it != reads_.end();) {
        const auto entry = it++;
        if (readiness(*connection, entry) == Readiness::ready) {
            Entries& batch = entry->pending->alone ? alone_ : shared_;
            batch.splice(batch.end(), reads_, entry);
        }
    }
    write_was_last_ = false;
    send(*connection, shared_);
    Entries one;
    while (!alone_.empty() && connection->life() == Life::open) {
        one.splice(one.end(), alone_, alone_.begin());
        send(*connection, one);
        reads_.splice(reads_.begin(), one);
    }
    reads_.splice(reads_.begin(), alone_);
    reads_.splice(reads_.begin(), shared_);
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
            waiting(pending).erase(entry);
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
    try {
        connection.send(batch);
    } catch (...) {
        connection.lose("out of memory");
    }
}

// One attempt at a time, and none while the last failed just now. A retired
// connection that still owes an answer keeps no place.
void Pool::Impl::open_more() {
    const bool wanted = crowded_ || !reads_.empty() || !writes_.empty();
    unsigned open_ones = 0;
    for (const auto& connection : connections_) {
        if (connection->retired()) {
            continue;
        }
        if (connection->life() == Life::open) {
            open_ones++;
        } else if (connection->life() != Life::lost) {
            return;
        }
    }
    const bool retrying = backoff_.failing() && open_ones == 0;
    if (open_ones >= options_.connections || (!wanted && !retrying)) {
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

void Pool::Impl::open() {
    connections_.push_back(
        std::make_unique<Connection>(reactor_, *this, conninfo_));
    backoff_.tried(reactor_.now());
    Connection& connection = *connections_.back();
    try {
        connection.start();
    } catch (...) {
        connection.lose("out of memory");
    }
}

}  // namespace sigra::postgres
