// Decides which queries are sent under one sync. See Pending::group.
#include <algorithm>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {

using Readiness = Connection::Readiness;

// Moves the first query of apart_, and those of its group right behind it, to
// `group`.
void Pool::Impl::take_group(Entries& group) {
    const auto end = std::find_if(
        apart_.begin(), apart_.end(),
        [number = apart_.front().pending->group](const Entry& entry) {
            return entry.pending->group != number;
        });
    group.splice(group.end(), apart_, apart_.begin(), end);
}

// Returns true if the query must not share a sync with the others. That holds
// for a lookup that failed recently and for the lookups of parts that follow,
// because their errors would abort the others.
bool Pool::Impl::goes_apart(Pending& pending) {
    if (pending.group == 0 &&
        (pending.query.statement == Statement::lookup_part ||
         erring_.has(pending.query))) {
        pending.group = new_group();
    }
    return pending.group != 0;
}

// Moves the queries that can be sent now to shared_ and apart_.
void Pool::Impl::take_ready(Connection& connection, Entries& queue) {
    for (auto it = queue.begin(); it != queue.end();) {
        const auto entry = it++;
        if (readiness(connection, entry) == Readiness::ready) {
            Entries& batch = goes_apart(*entry->pending) ? apart_ : shared_;
            batch.splice(batch.end(), queue, entry);
        }
    }
}

}  // namespace sigra::postgres
