// Decides whether a query may wait for a connection.
#include <algorithm>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {
namespace {

constexpr unsigned max_logins = 256;
constexpr unsigned max_writes = 256;
constexpr unsigned max_background = 128;

}  // namespace

// Returns why a query is refused, or nullopt. If the server is known to be
// down, the query is refused at once, but it still triggers an attempt to
// connect, one at a time.
std::optional<Status> Pool::Impl::refusal(Work work) {
    const bool open = std::any_of(
        connections_.begin(), connections_.end(),
        [](const auto& connection) { return connection->takes_queries(); });
    if (!open && backoff_.down()) {
        missed_ = true;
        dispatch_->schedule();
        return Status::unavailable;
    }
    if (has_room(work)) {
        return std::nullopt;
    }
    return silence_ && !is_usable() ? Status::unavailable : Status::overloaded;
}

bool Pool::Impl::is_usable() const {
    return std::any_of(
        connections_.begin(), connections_.end(), [](const auto& connection) {
            return connection->takes_queries() && !connection->is_silent();
        });
}

bool Pool::Impl::has_room(Work work) {
    const unsigned used = unanswered(work);
    switch (work) {
        case Work::lookup:
            return used < options_.queue;
        case Work::login:
            return used < max_logins;
        case Work::write:
            return used < max_writes;
        case Work::background:
            return used < max_background;
    }
    return false;
}

// Drops queries that were not sent and whose request has gone away.
void Pool::Impl::drop_unwanted(Work work) {
    Entries& queue = waiting(work);
    for (auto it = queue.begin(); it != queue.end();) {
        const auto entry = it++;
        Pending& pending = *entry->pending;
        if (pending.query.wanted && !pending.query.wanted()) {
            queue.erase(entry);
            answer(pending, Status::unwanted, "no request waits for it");
        }
    }
}

}  // namespace sigra::postgres
