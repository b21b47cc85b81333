// Lookups that wait at the same time are combined into one statement over an
// array of their tokens. It costs the server a third less than a statement for
// each.
#include <algorithm>
#include <iterator>
#include <utility>

#include "postgres/connection.hpp"

namespace sigra::postgres {
namespace {

constexpr std::size_t max_together = 128;
constexpr std::size_t min_together = 2;
// If a combined statement fails, its lookups are repeated in this many parts.
// That finds one failing lookup among 128 with 14 statements, as halving would,
// but in four rounds instead of seven.
constexpr std::size_t parts = 4;

bool is_lookup_of(const Pending& pending, std::size_t layout) {
    const Query& query = pending.query;
    return query.statement == Statement::lookup && query.layout == layout &&
           query.parameters.size() == 1 && query.parameters.front().binary &&
           query.parameters.front().bytes;
}

// Reads the last column: which of `count` lookups the row is for, from 0.
std::optional<std::size_t> number_of(const PGresult* result, int row,
                                     std::size_t count) {
    const int column = PQnfields(result) - 1;
    if (column < 0 || PQgetisnull(result, row, column)) {
        return std::nullopt;
    }
    const auto number = binary_number(
        {PQgetvalue(result, row, column),
         static_cast<std::size_t>(PQgetlength(result, row, column))});
    if (!number || *number < 1 || *number > count) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(*number - 1);
}

}  // namespace

// Returns the tokens of the lookups that share a statement with the first query
// of the batch; empty if that is sent as a statement of its own.
std::vector<std::string_view> Connection::tokens_of(const Entries& batch) {
    std::vector<std::string_view> tokens;
    const std::size_t layout = batch.front().pending->query.layout;
    if (batch.size() < 2 || !is_lookup_of(*batch.front().pending, layout) ||
        !known(layout).puts_together) {
        return tokens;
    }
    tokens.reserve(std::min(batch.size(), most_together_));
    for (const Entry& entry : batch) {
        if (tokens.size() == most_together_) {
            break;
        }
        if (is_lookup_of(*entry.pending, layout)) {
            tokens.push_back(*entry.pending->query.parameters.front().bytes);
        }
    }
    return tokens;
}

// Each lookup keeps its own entry, behind the one of the statement. So a lookup
// that expires, is dropped or is moved to another connection is handled as if
// it had its own statement.
bool Connection::send_together(Entries& batch,
                               const std::vector<std::string_view>& tokens) {
    const std::size_t layout = batch.front().pending->query.layout;
    if (!is_prepared(layout, Statement::lookup_many)) {
        return false;
    }
    const std::vector<Parameter> parameters = {bytea_array(tokens)};
    inflight_.push_back({.kind = Entry::Kind::many,
                         .layout = layout,
                         .statement = Statement::lookup_many,
                         .count = tokens.size()});
    std::size_t left = tokens.size();
    for (auto it = batch.begin(); left > 0;) {
        const auto entry = it++;
        if (is_lookup_of(*entry->pending, layout)) {
            take_entry(batch, entry);
            entry->pending->together = true;
            left--;
        }
    }
    return send_statement(layout, Statement::lookup_many, parameters);
}

// Adapts how many lookups share a statement, after each sync. The server sends
// its answers at the sync, so all lookups of a statement wait for the last one.
// If lookups are slow (cold disks, a condition that reads a lot), fewer are
// combined. Otherwise the statement would reach statement_timeout, or the
// connection would count as silent while it works.
void Connection::pace() {
    const auto long_enough = owner_.options().timeout / 12;
    const Milliseconds now = reactor_.now();
    const auto took = now - std::exchange(turned_at_, now);
    const std::size_t count = std::exchange(looked_up_, 0);
    if (count == 0) {
        return;
    }
    if (took > long_enough) {
        const auto in_time = static_cast<std::size_t>(long_enough.count()) *
                             count / static_cast<std::size_t>(took.count());
        most_together_ = std::clamp(in_time, min_together, max_together);
    } else if (2 * took <= long_enough && count >= most_together_) {
        most_together_ = std::min(2 * most_together_, max_together);
    }
}

void Connection::take_many(const Entry& many, const PGresult* result) {
    const bool is_aborted = PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
    looked_up_ += is_aborted ? 0 : many.count;
    if (!is_aborted && !std::exchange(proved_, true)) {
        owner_.proved();
    }
    if (!is_aborted && PQresultStatus(result) != PGRES_FATAL_ERROR) {
        if (!share_out(many.count, result)) {
            lose("unexpected result from the server");
            return;
        }
        inflight_.pop_front();
        for (std::size_t i = 0; i < many.count; i++) {
            if (Pending* pending = give_up_front()) {
                inflight_.pop_front();
                owner_.answered(*pending);
            }
        }
        return;
    }
    Outcome outcome;
    if (!is_aborted) {
        outcome = outcome_of(result);
    } else if (failed_prepare_ && failed_prepare_->layout == many.layout &&
               failed_prepare_->statement == Statement::lookup_many) {
        // Whatever the reason, the next combined statement would fail too.
        known(many.layout).puts_together = false;
        owner_.not_together(many.layout, failed_prepare_->outcome);
    }
    inflight_.pop_front();
    if (is_aborted) {
        ask_again(many.count);
    } else {
        ask_apart(many.count, outcome);
    }
}

// Gives each lookup its rows. Returns false if a row is for none of them.
bool Connection::share_out(std::size_t count, const PGresult* result) {
    std::vector<Pending*> asked;
    asked.reserve(count);
    auto entry = std::next(inflight_.begin());
    for (std::size_t i = 0; i < count; i++, entry++) {
        asked.push_back(entry->pending);
        if (entry->pending) {
            entry->pending->outcome = {Status::ok, "", "", {}};
            entry->pending->outcome.server = identity_.server;
        }
    }
    for (int y = 0; y < PQntuples(result); y++) {
        const auto number = number_of(result, y, count);
        if (!number) {
            return false;
        }
        if (Pending* pending = asked[*number]) {
            pending->outcome.rows.push_back(
                row_of(result, y, PQnfields(result) - 1));
        }
    }
    return true;
}

// Detaches the first query in flight from the connection and returns it.
// Returns null, and removes the entry, if nothing waits for its answer.
Pending* Connection::give_up_front() {
    queries_--;
    Pending* pending = inflight_.front().pending;
    if (pending) {
        pending->connection = nullptr;
    } else {
        inflight_.pop_front();
    }
    return pending;
}

// Repeats lookups whose combined statement failed. The error does not say which
// one caused it, so they are repeated in smaller and smaller parts until the
// failing lookup is alone and gets the error. This does not count as one of its
// attempts. If the statement is only out of date, they are repeated as usual.
void Connection::ask_apart(std::size_t count, const Outcome& outcome) {
    const std::size_t size = (count + parts - 1) / parts;
    bool is_demoted = false;
    std::uint64_t group = 0;
    for (std::size_t i = 0; i < count; i++) {
        if (i % size == 0) {
            group = owner_.new_group();
        }
        Pending* pending = give_up_front();
        if (!pending) {
            continue;
        }
        pending->outcome = outcome;
        if (demoted(*pending)) {
            is_demoted = true;
        } else if (!stale(*pending)) {
            pending->group = group;
            pending->sends--;
        }
        owner_.repeat(inflight_, inflight_.begin());
    }
    if (is_demoted) {
        owner_.demoted(*this);
    }
}

// Repeats lookups that were not executed because a statement before them in the
// sync failed.
void Connection::ask_again(std::size_t count) {
    std::optional<std::uint64_t> group;
    for (std::size_t i = 0; i < count; i++) {
        if (Pending* pending = give_up_front()) {
            if (!group) {
                group = group_after_abort(pending->group);
            }
            pending->group = *group;
            pending->sends--;
            owner_.repeat(inflight_, inflight_.begin());
        }
    }
}

// The first time, all queries that were aborted in a sync form one group,
// without the failing one. If they are aborted again, each gets its own group.
std::uint64_t Connection::group_after_abort(std::uint64_t group) {
    if (group != 0) {
        return owner_.new_group();
    }
    if (aborted_group_ == 0) {
        aborted_group_ = owner_.new_group();
    }
    return aborted_group_;
}

}  // namespace sigra::postgres
