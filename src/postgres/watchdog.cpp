// What a connection does if the server does not answer.
#include <algorithm>

#include "postgres/connection.hpp"

namespace sigra::postgres {
namespace {

// How long the server may be silent. It cancels a statement a little before
// `timeout`, and needs some time to report that. After that it counts as gone.
Milliseconds patience_of(const PoolOptions& options) {
    return options.timeout + std::min(options.timeout / 4, Milliseconds(500));
}

}  // namespace

// Only reads count: a write may be waiting for a row lock.
bool Connection::is_silent() const {
    const bool reads = work_ == Work::lookup || work_ == Work::login;
    return life_ == Life::open && reads && !inflight_.empty() &&
           reactor_.now() - progressed_at_ >= owner_.options().timeout / 3;
}

void Connection::expect(Entry entry) {
    if (inflight_.empty()) {
        progressed_at_ = reactor_.now();
    }
    inflight_.push_back(entry);
}

void Connection::watch() {
    if (life_ == Life::open && !inflight_.empty() && !watchdog_->running()) {
        watchdog_->start(owner_.options().timeout / 3);
    }
}

void Connection::watched() {
    if (life_ != Life::open || inflight_.empty()) {
        return;
    }
    const Milliseconds silence = reactor_.now() - progressed_at_;
    const Milliseconds suspicious = owner_.options().timeout / 3;
    const Milliseconds longest = patience_of(owner_.options());
    if (silence >= longest) {
        was_silent_ = true;
        lose("no answer in time");
        return;
    }
    watchdog_->start((silence >= suspicious ? longest : suspicious) - silence);
    if (is_silent()) {
        owner_.silent();
    }
}

// The queries of the first sync, which the server is executing, are queued
// last: one of them may hold up the others, and would do so again.
void Connection::hand_back(Entries& queue, Work work) {
    const auto first_sync = std::find_if(
        inflight_.begin(), inflight_.end(),
        [](const Entry& entry) { return entry.kind == Entry::Kind::sync; });
    const auto back = [&](Entry& entry) {
        Pending* pending = entry.pending;
        if (!pending || pending->write || pending->work != work) {
            return;
        }
        // One lookup of a combined statement may hold up the others of it.
        if (pending->together) {
            pending->group = owner_.new_group();
        }
        queue.push_back(entry);
        forsake(*pending);
        pending->entry = std::prev(queue.end());
    };
    std::for_each(first_sync, inflight_.end(), back);
    std::for_each(inflight_.begin(), first_sync, back);
}

void Connection::forsake(Pending& pending) {
    pending.entry->pending = nullptr;
    pending.connection = nullptr;
}

}  // namespace sigra::postgres
