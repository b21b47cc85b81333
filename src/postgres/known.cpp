// What a connection knows about the layouts, and how it reads the catalog again
// after a migration.
#include <utility>

#include "postgres/connection.hpp"

namespace sigra::postgres {
namespace {

constexpr Milliseconds broken_pause{1000};
// A migration that only adds a column makes no statement fail, so the catalog
// is read again from time to time.
constexpr Milliseconds refresh_interval{60000};
// More often while a condition or an attribute is refused: its locations answer
// 503 until a migration makes it valid.
constexpr Milliseconds refresh_broken_interval{1000};
constexpr unsigned max_sends = 3;

// Returns true for errors of a statement that is out of date: the result type
// of its plan has changed (0A000), the prepared statement is gone (26000), or a
// name in it no longer exists. A missing privilege (42501) counts only if the
// layout has facts, because a single one of them may need it.
bool means_stale(std::string_view sqlstate, const Layout& layout) {
    return sqlstate == "0A000" || sqlstate == "26000" || sqlstate == "3F000" ||
           (sqlstate.starts_with("42") &&
            (sqlstate != "42501" || layout.has_facts()));
}

std::string complaint(const Layout& layout, std::size_t fact,
                      const Outcome& outcome) {
    const std::size_t conditions = layout.conditions.size();
    std::string line =
        fact < conditions
            ? "auth_sigra_require \"" + layout.conditions[fact]
            : "auth_sigra_attribute \"" + layout.attributes[fact - conditions];
    line += "\" is refused by PostgreSQL, its locations answer 503: ";
    line += outcome.sqlstate;
    line += outcome.sqlstate.empty() ? "" : " ";
    return line + outcome.message;
}

}  // namespace

// Sets what the statements depend on. A pooler may refuse `options` or drop
// them, and the server, the database or the role may have other settings. The
// statements need "read committed": after waiting for a row lock they must see
// the row's new version.
bool Connection::settle_in() {
    const char* zone = PQparameterStatus(conn_.get(), "TimeZone");
    if (!zone || std::string_view(zone) != "UTC") {
        expect({.kind = Entry::Kind::setting});
        if (PQsendQueryParams(conn_.get(), "SET TimeZone = 'UTC'", 0, nullptr,
                              nullptr, nullptr, nullptr, 0) != 1) {
            return false;
        }
    }
    expect({.kind = Entry::Kind::setting});
    return PQsendQueryParams(
               conn_.get(),
               "SET default_transaction_isolation = 'read committed'", 0,
               nullptr, nullptr, nullptr, nullptr, 0) == 1 &&
           sync();
}

Connection::Known& Connection::known(std::size_t layout) {
    if (layout >= known_.size()) {
        known_.resize(layout + 1);
    }
    return known_[layout];
}

Connection::Readiness Connection::readiness(std::size_t layout) {
    Known& at = known(layout);
    const Milliseconds age = reactor_.now() - at.looked_at;
    switch (at.look) {
        case Look::unread:
            look(layout);
            return Readiness::wait;
        case Look::reading:
        case Look::checking:
            return Readiness::wait;
        case Look::ready:
            if (!at.refreshing &&
                age >= (at.broken.empty() ? refresh_interval
                                          : refresh_broken_interval)) {
                look(layout);
            }
            return life_ == Life::open ? Readiness::ready : Readiness::wait;
        case Look::broken:
            if (age < broken_pause) {
                return Readiness::refused;
            }
            look(layout);
            return Readiness::wait;
    }
    return Readiness::wait;
}

const Outcome& Connection::refusal(std::size_t layout) const {
    return known_[layout].error;
}

void Connection::forget(std::size_t layout) noexcept {
    if (layout < known_.size() && known_[layout].look == Look::ready) {
        known_[layout].look = Look::unread;
    }
}

// Returns true if a query that failed is to be repeated with newly prepared
// statements.
bool Connection::stale(Pending& pending) {
    if (pending.outcome.status != Status::refused ||
        !means_stale(pending.outcome.sqlstate,
                     owner_.layouts()[pending.query.layout]) ||
        pending.sends >= max_sends) {
        return false;
    }
    Known& at = known(pending.query.layout);
    const Milliseconds now = reactor_.now();
    if (pending.repaired) {
        at.no_repair_before = now + broken_pause;
        return false;
    }
    if (at.look == Look::ready && at.generation == pending.generation) {
        if (now < at.no_repair_before) {
            return false;
        }
        owner_.forget(pending.query.layout);
    }
    pending.repaired = true;
    return true;
}

void Connection::look(std::size_t layout) {
    Known& at = known(layout);
    if (at.look == Look::ready) {
        at.refreshing = true;
    } else {
        at.look = Look::reading;
    }
    at.looked_at = reactor_.now();
    looking_++;
    patience_->start(owner_.options().timeout);
    if (!send_catalog_query(layout) || !sync()) {
        lose_to_libpq();
        return;
    }
    (void)flush();
}

bool Connection::send_catalog_query(std::size_t layout) {
    const Layout& configured = owner_.layouts()[layout];
    const std::string users = quoted_name(configured.users);
    const std::string tokens = quoted_name(configured.tokens);
    const char* values[] = {users.c_str(), tokens.c_str()};
    expect({.kind = Entry::Kind::catalog, .layout = layout});
    return PQsendQueryParams(conn_.get(), std::string(catalog_sql()).c_str(), 2,
                             nullptr, values, nullptr, nullptr, 0) == 1;
}

void Connection::take_catalog(std::size_t layout, const PGresult* result) {
    Known& at = known(layout);
    Outcome outcome = outcome_of(result);
    std::optional<Catalog> catalog;
    if (outcome.status == Status::ok) {
        outcome.status = Status::refused;
        catalog = read_catalog(owner_.layouts()[layout], outcome.rows,
                               outcome.message);
        outcome.rows.clear();
    }
    if (catalog) {
        owner_.layout_warned(layout, catalog->warnings);
    }
    if (!catalog) {
        at.refreshing = false;
        looked(layout, &outcome);
        return;
    }
    at.read = std::move(*catalog);
    if (at.unchecked > 0) {
        looking_--;  // the checks that are still running serve this one too
        return;
    }
    at.usable = owner_.layouts()[layout];
    at.broken.clear();
    if (!at.usable.has_facts()) {
        facts_known(layout);
    } else if (!send_fact_checks(layout)) {
        lose_to_libpq();
    }
}

// Each check has its own sync, because an error aborts the rest of its sync.
bool Connection::send_fact_checks(std::size_t layout) {
    const Layout& configured = owner_.layouts()[layout];
    Known& at = known(layout);
    const std::size_t conditions = configured.conditions.size();
    at.unchecked = conditions + configured.attributes.size();
    for (std::size_t i = 0; i < at.unchecked; i++) {
        const std::string text =
            i < conditions
                ? condition_check_sql(configured, at.read,
                                      configured.conditions[i])
                : attribute_check_sql(configured, at.read,
                                      configured.attributes[i - conditions]);
        expect({.kind = Entry::Kind::fact, .layout = layout, .fact = i});
        if (PQsendQueryParams(conn_.get(), text.c_str(), 0, nullptr, nullptr,
                              nullptr, nullptr, 0) != 1 ||
            !sync()) {
            return false;
        }
    }
    return flush();
}

// A text that closes the bracket around it could add columns or remove them, so
// the number of columns is checked too.
void Connection::take_fact(const Entry& entry, const PGresult* result) {
    Known& at = known(entry.layout);
    Outcome outcome = outcome_of(result);
    if (outcome.status == Status::timeout) {
        lose(outcome.message);
        return;
    }
    if (outcome.status == Status::ok && PQnfields(result) != 2) {
        outcome = {Status::refused, "", "it is more than one expression", {}};
    }
    if (outcome.status != Status::ok) {
        const std::size_t conditions = at.usable.conditions.size();
        at.broken.push_back(
            complaint(owner_.layouts()[entry.layout], entry.fact, outcome));
        (entry.fact < conditions
             ? at.usable.conditions[entry.fact]
             : at.usable.attributes[entry.fact - conditions])
            .clear();
    }
    if (--at.unchecked == 0) {
        owner_.facts_checked(entry.layout, at.broken);
        facts_known(entry.layout);
    }
}

void Connection::facts_known(std::size_t layout) {
    Known& at = known(layout);
    const bool refreshing = std::exchange(at.refreshing, false);
    if (refreshing && at.look == Look::ready && at.read == at.catalog &&
        at.usable == at.layout) {
        looked(layout, nullptr);
        return;
    }
    at.catalog = at.read;
    at.layout = at.usable;
    at.generation = ++generations_;
    at.sql = {};
    at.prepared = {};
    at.puts_together = true;
    at.look = Look::checking;
    if (!prepare(layout, Statement::lookup, Entry::Kind::check) || !sync()) {
        lose_to_libpq();
    }
}

void Connection::take_check(std::size_t layout, const PGresult* result) {
    const Outcome outcome = outcome_of(result);
    const bool ok = outcome.status == Status::ok;
    if (!ok || owner_.layouts()[layout].second_factor.empty()) {
        looked(layout, ok ? nullptr : &outcome);
        return;
    }
    // An invalid second-factor condition is reported now, not at the first
    // login.
    if (!prepare(layout, Statement::find_user, Entry::Kind::check_login) ||
        !sync()) {
        lose_to_libpq();
    }
}

void Connection::take_login_check(const Entry& entry, const PGresult* result) {
    const Outcome outcome = outcome_of(result);
    const bool ok = outcome.status == Status::ok;
    if (!ok) {
        known(entry.layout)
            .prepared[static_cast<std::size_t>(entry.statement)] = false;
    }
    owner_.login_checked(entry.layout, ok ? nullptr : &outcome);
    looked(entry.layout, nullptr);
}

void Connection::looked(std::size_t layout, const Outcome* error) {
    // A timeout, as when the table is locked, says nothing about the layout.
    if (error && error->status == Status::timeout) {
        lose(error->message);
        return;
    }
    Known& at = known(layout);
    at.look = error ? Look::broken : Look::ready;
    at.error = error ? *error : Outcome();
    if (--looking_ == 0) {
        patience_->stop();
    }
    owner_.layout_checked(layout, error);
}

}  // namespace sigra::postgres
