#include "nginx/gate/lookup.hpp"

#include <algorithm>
#include <utility>

#include "nginx/counters.hpp"
#include "nginx/gate/cache.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_msec_t log_again_after = 60'000;
constexpr unsigned max_overtaken = 3;  // changes of a user

Counter counter_of(LookupResult::State state) {
    switch (state) {
        case LookupResult::State::found:
            return Counter::lookup_found;
        case LookupResult::State::absent:
            return Counter::lookup_absent;
        case LookupResult::State::no_answer:
            break;
    }
    return Counter::lookup_no_answer;
}

// Each worker raises the mark when it hears of a change, so that one change may
// overtake a lookup once for each of them: nobody is turned away for fewer
// changes than that.
unsigned max_asked() {
    const auto* core = static_cast<const ngx_core_conf_t*>(
        static_cast<void*>(ngx_get_conf(ngx_cycle->conf_ctx, ngx_core_module)));
    const auto workers =
        static_cast<unsigned>(std::max<ngx_int_t>(core->worker_processes, 1));
    return 1 + max_overtaken * workers;
}

LookupResult read_outcome(postgres::Outcome&& outcome) {
    LookupResult result;
    result.at = ngx_current_msec;
    result.server = outcome.server;
    if (outcome.status != postgres::Status::ok) {
        result.out_of_reach = outcome.status == postgres::Status::timeout ||
                              outcome.status == postgres::Status::unavailable;
        return result;
    }
    if (outcome.rows.empty()) {
        result.state = LookupResult::State::absent;
        return result;
    }
    // A row of another shape is a database that lies: no answer.
    if (auto row = postgres::read_session(outcome.rows.front())) {
        result.state = LookupResult::State::found;
        result.row = std::move(*row);
    }
    return result;
}

}  // namespace

// The hash is uniform already: its front is as good as any mix of it.
std::size_t Lookup::Hash::operator()(const Key& key) const {
    std::size_t front = 0;
    std::memcpy(&front, key.token_hash.data(), sizeof(front));
    return front ^ static_cast<std::size_t>(key.fingerprint);
}

void Lookup::ask(postgres::Pool& pool, const Source& source, const Key& key,
                 std::string_view stored, Waiter& waiter) {
    auto it = flights_.find(key);
    if (it == flights_.end()) {
        it = flights_.try_emplace(key).first;
        try {
            Flight& flight = it->second;
            flight.key = &it->first;
            flight.pool = &pool;
            flight.source = &source;
            flight.stored = stored;
            send(flight);
        } catch (...) {
            flights_.erase(it);  // or all that come after would wait for it
            throw;
        }
    }
    ngx_queue_insert_tail(&it->second.waiters, &waiter.link);
    waiter.waiting = true;
    waiter.since = ngx_current_msec;
}

// Whoever joined it waits no longer than if the question had been his own.
void Lookup::send(Flight& flight) {
    const Cache* cache = flight.key->cache;
    flight.asked++;
    flight.begun = std::chrono::steady_clock::now();
    flight.sent = marks_.seq();
    flight.zone_sent = cache == nullptr ? 0 : cache->zone->seq();
    postgres::Query query;
    query.layout = flight.source->layout;
    query.statement = postgres::Statement::lookup;
    query.parameters.push_back({flight.stored, /*binary=*/true});
    query.done = [this, flight = &flight](postgres::Outcome&& outcome) {
        answered(*flight, std::move(outcome));
    };
    query.wanted = [flight = &flight] {
        return !ngx_queue_empty(&flight->waiters);
    };
    if (!ngx_queue_empty(&flight.waiters)) {
        auto* first =
            ngx_queue_data(ngx_queue_head(&flight.waiters), Waiter, link);
        query.waited = postgres::Milliseconds(ngx_current_msec - first->since);
    }
    flight.pool->submit(std::move(query));
}

void Lookup::detach(Waiter& waiter) {
    if (waiter.waiting) {
        ngx_queue_remove(&waiter.link);
        waiter.waiting = false;
    }
}

// An answer that a revocation has overtaken is neither kept nor believed, and
// nobody is turned away for it before it was asked a few times more: a user
// whose email changes is still logged in.
bool Lookup::overtaken(const Flight& flight, const LookupResult& result,
                       bool fresh) const {
    const Key& key = *flight.key;
    if (result.state == LookupResult::State::no_answer) {
        return false;
    }
    std::uint64_t revoked =
        marks_.token({key.token_hash.data(), key.token_hash.size()});
    if (result.state == LookupResult::State::found) {
        revoked = std::max(revoked, marks_.user(result.row.user_id));
    }
    return revoked > flight.sent ||
           (key.cache != nullptr &&
            !settle(key, flight.zone_sent, result, fresh));
}

// False: it was asked often enough, or memory is out.
bool Lookup::resend(Flight& flight) {
    if (flight.asked >= max_asked()) {
        return false;
    }
    try {
        send(flight);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// Every request meets the same refusal (a role without SELECT, a lock that
// outlasts the server's own limit): a line when it changes, and one a minute.
void Lookup::log_refusal(const postgres::Outcome& outcome) {
    if (outcome.sqlstate.empty()) {
        return;
    }
    std::string text = outcome.sqlstate + " " + outcome.message;
    if (text == refusal_ && ngx_current_msec - refusal_at_ < log_again_after) {
        return;
    }
    ngx_str_t line = as_ngx_str(text);
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "auth_sigra: PostgreSQL refused a lookup: %V", &line);
    refusal_ = std::move(text);
    refusal_at_ = ngx_current_msec;
}

// Without an answer: those who have waited long enough are put in `over`; for
// those who joined later, or since it was dropped, it is asked again.
bool Lookup::goes_on(Flight& flight, const postgres::Outcome& outcome,
                     ngx_queue_t& over) {
    if (outcome.status != postgres::Status::timeout &&
        outcome.status != postgres::Status::unwanted) {
        return false;
    }
    const auto timeout = static_cast<ngx_msec_t>(
        flight.source->database->options.timeout.count());
    while (!ngx_queue_empty(&flight.waiters)) {
        ngx_queue_t* first = ngx_queue_head(&flight.waiters);
        const auto* waiter = ngx_queue_data(first, Waiter, link);
        if (ngx_current_msec - waiter->since < timeout) {
            flight.asked--;
            return resend(flight);
        }
        ngx_queue_remove(first);
        ngx_queue_insert_tail(&over, first);
    }
    return false;
}

// Waking one may end another (a subrequest and its main request): each turn
// takes the first of those that are left. Who asks for the same token from
// here on starts a flight of his own.
void Lookup::answered(Flight& flight, postgres::Outcome&& outcome) {
    ngx_queue_t over;
    ngx_queue_init(&over);
    log_refusal(outcome);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - flight.begun);
    count_latency(own_counters->lookup_latency,
                  static_cast<std::uint64_t>(took.count()));
    const bool fresh = !outcome.outdated;
    const bool goes_on = this->goes_on(flight, outcome, over);
    LookupResult result = read_outcome(std::move(outcome));
    count(counter_of(result.state));
    if (!goes_on && overtaken(flight, result, fresh)) {
        result = LookupResult();
        if (resend(flight)) {
            return;
        }
    }
    decltype(flights_)::node_type node;
    if (!goes_on) {
        while (!ngx_queue_empty(&flight.waiters)) {
            ngx_queue_t* first = ngx_queue_head(&flight.waiters);
            ngx_queue_remove(first);
            ngx_queue_insert_tail(&over, first);
        }
        node = flights_.extract(*flight.key);
    }
    while (!ngx_queue_empty(&over)) {
        auto* waiter = ngx_queue_data(ngx_queue_head(&over), Waiter, link);
        detach(*waiter);
        waiter->wake(waiter->data, result);
    }
}

}  // namespace sigra::nginx
