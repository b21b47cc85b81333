// How a connection handles the results that arrive: it matches each one with
// the entry that expects it.
#include <iterator>
#include <utility>

#include "postgres/connection.hpp"

namespace sigra::postgres {
namespace {

constexpr unsigned max_collisions = 3;

bool ends_connection(const PGresult* result) {
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_FATAL_ERROR) {
        return false;
    }
    const std::string severity =
        error_field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    // No severity: the error is libpq's own, and its connection is unusable.
    return severity.empty() || severity == "FATAL" || severity == "PANIC";
}

std::vector<Row> rows_of(const PGresult* result) {
    std::vector<Row> rows;
    rows.reserve(static_cast<std::size_t>(PQntuples(result)));
    for (int y = 0; y < PQntuples(result); y++) {
        rows.push_back(row_of(result, y, PQnfields(result)));
    }
    return rows;
}

}  // namespace

Row row_of(const PGresult* result, int number, int columns) {
    Row row(static_cast<std::size_t>(columns));
    for (int x = 0; x < columns; x++) {
        const auto length =
            static_cast<std::size_t>(PQgetlength(result, number, x));
        if (length > 0 || !PQgetisnull(result, number, x)) {
            row[static_cast<std::size_t>(x)].emplace(
                PQgetvalue(result, number, x), length);
        }
    }
    return row;
}

Outcome outcome_of(const PGresult* result) {
    Outcome outcome;
    switch (PQresultStatus(result)) {
        case PGRES_TUPLES_OK:
            outcome.rows = rows_of(result);
            [[fallthrough]];
        case PGRES_COMMAND_OK:
            outcome.status = Status::ok;
            return outcome;
        default:
            outcome.sqlstate = error_field(result, PG_DIAG_SQLSTATE);
            outcome.message = error_field(result, PG_DIAG_MESSAGE_PRIMARY);
            // query_canceled: statement_timeout.
            outcome.status =
                outcome.sqlstate == "57014" ? Status::timeout : Status::refused;
            return outcome;
    }
}

void Connection::take(const PGresult* result) {
    if (ends_connection(result)) {
        const std::string message =
            error_field(result, PG_DIAG_MESSAGE_PRIMARY);
        lose(message.empty() ? one_line(PQerrorMessage(conn_.get())) : message);
        return;
    }
    if (answer_of(result) == Answer::senseless) {
        lose("unexpected result from the server");
        return;
    }
    if (inflight_.empty()) {
        lose("a result that no query asked for");
        return;
    }
    progressed_at_ = reactor_.now();
    const Entry entry = inflight_.front();
    const bool is_sync = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
    if (is_sync != (entry.kind == Entry::Kind::sync)) {
        // An error instead of a sync means that the commit failed.
        const std::string message =
            error_field(result, PG_DIAG_MESSAGE_PRIMARY);
        lose(message.empty() ? "results out of order" : message);
        return;
    }
    switch (entry.kind) {
        case Entry::Kind::query:
            take_query(result);
            return;
        case Entry::Kind::first:
            inflight_.pop_front();
            take_first(result);
            return;
        case Entry::Kind::many:
            take_many(entry, result);
            return;
        case Entry::Kind::prepare:
            take_prepare(entry, result);
            break;
        case Entry::Kind::catalog:
            inflight_.pop_front();
            take_catalog(entry.layout, result);
            return;
        case Entry::Kind::fact:
            inflight_.pop_front();
            take_fact(entry, result);
            return;
        case Entry::Kind::check:
            inflight_.pop_front();
            take_check(entry.layout, result);
            return;
        case Entry::Kind::check_login:
            inflight_.pop_front();
            take_login_check(entry, result);
            return;
        case Entry::Kind::setting:
            break;
        case Entry::Kind::identity:
            identity_ = read_identity(result, 0);
            break;
        case Entry::Kind::sync:
            unanswered_syncs_--;
            failed_prepare_.reset();
            aborted_group_ = 0;
            pace();
            commit();
            break;
    }
    inflight_.pop_front();
}

void Connection::take_prepare(const Entry& entry, const PGresult* result) {
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        return;
    }
    known(entry.layout).prepared[static_cast<std::size_t>(entry.statement)] =
        false;
    if (PQresultStatus(result) != PGRES_PIPELINE_ABORTED) {
        failed_prepare_ = {entry.layout, entry.statement, outcome_of(result)};
    }
}

// The result of a statement's first execution of two. It is kept in the query,
// whose own entry comes next; if this one failed, that one is aborted.
void Connection::take_first(const PGresult* result) {
    Pending* pending = inflight_.front().pending;
    if (pending && PQresultStatus(result) != PGRES_PIPELINE_ABORTED) {
        pending->outcome = outcome_of(result);
    }
}

void Connection::take_query(const PGresult* result) {
    const auto front = inflight_.begin();
    looked_up_ += work_ == Work::lookup ? 1 : 0;
    if (!front->pending) {
        queries_--;
        inflight_.pop_front();
        return;
    }
    Pending& pending = *front->pending;
    bool aborted = PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
    if (!aborted) {
        Outcome outcome = outcome_of(result);
        if (means_unknown(pending.query.statement, outcome.sqlstate)) {
            outcome = {Status::ok, "", "", {}};
        }
        // The rows of the first execution, if the query was sent twice.
        outcome.rows.insert(
            outcome.rows.begin(),
            std::make_move_iterator(pending.outcome.rows.begin()),
            std::make_move_iterator(pending.outcome.rows.end()));
        pending.outcome = std::move(outcome);
    } else if (!pending.outcome.sqlstate.empty()) {
        aborted = false;  // the first execution failed
    } else if (failed_prepare_ &&
               failed_prepare_->layout == pending.query.layout &&
               failed_prepare_->statement == pending.query.statement) {
        pending.outcome = failed_prepare_->outcome;
        aborted = false;
    }
    if (!std::exchange(proved_, true)) {
        owner_.proved();
    }
    pending.outcome.server = identity_.server;
    if (pending.write && pending.outcome.status == Status::ok && !aborted) {
        executed_.splice(executed_.end(), inflight_, front);
        return;
    }
    queries_--;
    pending.connection = nullptr;
    if (demoted(pending)) {
        owner_.repeat(inflight_, front);
        owner_.demoted(*this);
    } else if (aborted) {
        pending.group = group_after_abort(pending.group);
        pending.sends--;
        owner_.repeat(inflight_, front);
    } else if (collided(pending) || stale(pending)) {
        owner_.repeat(inflight_, front);
    } else {
        if (pending.outcome.status == Status::refused && !failed_prepare_) {
            owner_.erred(pending);
        }
        inflight_.erase(front);
        owner_.answered(pending);
    }
}

// Answers the writes of a sync. The server commits at the sync, so the result
// of the command itself does not prove yet that the write is committed.
void Connection::commit() {
    while (!executed_.empty()) {
        Pending* pending = executed_.front().pending;
        executed_.pop_front();
        queries_--;
        if (pending) {
            pending->connection = nullptr;
            owner_.answered(*pending);
        }
    }
}

// read_only_sql_transaction: the server became a standby, and the query was not
// executed. If the session was read-only from the start, another connection
// will not help.
bool Connection::demoted(const Pending& pending) const {
    return pending.outcome.status == Status::refused &&
           pending.outcome.sqlstate == "25006" && !identity_.read_only;
}

// deadlock_detected, serialization_failure: the server rolled the transaction
// back in favor of another one. The transaction is a single statement, so even
// a write can be repeated.
bool Connection::collided(const Pending& pending) {
    return pending.outcome.status == Status::refused &&
           (pending.outcome.sqlstate == "40P01" ||
            pending.outcome.sqlstate == "40001") &&
           pending.sends < max_collisions;
}

}  // namespace sigra::postgres
