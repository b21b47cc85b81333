// The pool's log messages and counters.
#include <algorithm>
#include <utility>

#include "postgres/pool_impl.hpp"

namespace sigra::postgres {
namespace {

constexpr Milliseconds complaint_interval{60000};

}  // namespace

Pool::Counters Pool::Impl::counters() const {
    Counters counters;
    for (std::size_t work = 0; work < waiting_.size(); work++) {
        const auto waiting = static_cast<unsigned>(waiting_[work].size());
        counters.waiting_by_work[work] = waiting;
        counters.waiting += waiting;
    }
    for (const auto& of_layout : touches_) {
        counters.touches += static_cast<unsigned>(of_layout.size());
    }
    counters.syncs = past_syncs_;
    counters.connects = connects_;
    counters.failovers = failovers_;
    counters.reconnects = reconnects_;
    counters.batches = batches_;
    counters.batched = batched_;
    for (const auto& connection : connections_) {
        counters.open += connection->life() == Connection::Life::open ? 1 : 0;
        counters.inflight += static_cast<unsigned>(connection->inflight());
        counters.syncs += connection->syncs();
    }
    return counters;
}

std::vector<ConnectionFigure> Pool::Impl::connections() const {
    std::vector<ConnectionFigure> figures;
    for (const auto& connection : connections_) {
        using State = ConnectionFigure::State;
        switch (connection->life()) {
            case Connection::Life::connecting:
            case Connection::Life::preparing:
                figures.push_back(
                    {connection->server_name(), State::connecting});
                break;
            case Connection::Life::open:
                figures.push_back(
                    {connection->server_name(),
                     connection->idle() ? State::idle : State::busy});
                break;
            case Connection::Life::lost:
                break;
        }
    }
    return figures;
}

void Pool::Impl::layout_checked(std::size_t layout, const Outcome* error) {
    report(layout_errors_[layout], tables(layout), error);
}

void Pool::Impl::login_checked(std::size_t layout, const Outcome* error) {
    report(login_errors_[layout], "logins of " + tables(layout), error);
}

void Pool::Impl::not_together(std::size_t layout, const Outcome& error) {
    log_new(LogLevel::warn, together_errors_[layout],
            {tables(layout) +
             ": lookups are sent one by one, because combining them fails: " +
             error.sqlstate + " " + error.message});
}

void Pool::Impl::layout_warned(std::size_t layout,
                               const std::vector<std::string>& warnings) {
    log_new(LogLevel::warn, layout_warnings_[layout], warnings);
}

void Pool::Impl::facts_checked(std::size_t layout,
                               const std::vector<std::string>& broken) {
    // Sessions and API tokens are two layouts with the same facts: each message
    // is logged once for both.
    std::vector<std::string> logged;
    for (const auto& lines : broken_facts_) {
        logged.insert(logged.end(), lines.begin(), lines.end());
    }
    log_new(LogLevel::error, logged, broken);
    broken_facts_[layout] = broken;
}

// Logs the lines that were not among those of the last time.
void Pool::Impl::log_new(LogLevel level, std::vector<std::string>& logged,
                         const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        if (std::find(logged.begin(), logged.end(), line) == logged.end()) {
            reactor_.log(level, line);
        }
    }
    logged = lines;
}

std::string Pool::Impl::tables(std::size_t layout) const {
    return "tables " + layouts_[layout].users + " and " +
           layouts_[layout].tokens;
}

// Logs an error unless it is the one that was logged last.
void Pool::Impl::report(std::string& logged, const std::string& subject,
                        const Outcome* error) {
    if (!error) {
        if (!logged.empty()) {
            logged.clear();
            reactor_.log(LogLevel::notice, subject + ": working again");
        }
        return;
    }
    const std::string text =
        error->sqlstate + (error->sqlstate.empty() ? "" : " ") + error->message;
    if (text != logged) {
        logged = text;
        reactor_.log(LogLevel::error, subject + ": " + text);
    }
}

// Counts a failure for the backoff. A connection that answered a query and was
// then closed by the server counts as none, so it is opened again at once.
void Pool::Impl::count_failure(const Connection& connection,
                               std::string_view reason, bool quiet) {
    using Failure = Backoff::Failure;
    std::optional<Failure> failure;
    if (connection.was_silent()) {
        if (!is_usable()) {
            failure = Failure::silent;
        }
    } else if (!connection.was_open()) {
        failure = Failure::refused;
    } else {
        backoff_.ended();
        if (!connection.proved()) {
            failure = Failure::lost;
        }
    }
    if (failure && !(connection.retired() && quiet)) {
        backoff_.failed(reactor_.now(), reactor_.random(), *failure);
    }
    trouble_ = reason;
    if (quiet) {
        reactor_.log(LogLevel::debug,
                     "idle connection closed: " + std::string(reason));
        return;
    }
    complain((connection.was_open() ? "connection to PostgreSQL lost: "
                                    : "cannot connect to PostgreSQL: ") +
             std::string(reason));
}

void Pool::Impl::complain(const std::string& message) {
    const Milliseconds now = reactor_.now();
    if (message == complaint_ && now - complained_at_ < complaint_interval) {
        return;
    }
    complaint_ = message;
    complained_at_ = now;
    restored_to_log_ = true;
    reactor_.log(LogLevel::error, message);
}

}  // namespace sigra::postgres
