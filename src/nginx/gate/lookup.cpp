#include "nginx/gate/lookup.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "nginx/counters.hpp"
#include "nginx/gate/cache.hpp"
#include "nginx/gate/facts.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_msec_t log_again_after = 60'000;
constexpr unsigned max_overtaken = 3;  // changes during one lookup

Counter counter_of(const LookupResult& result) {
    switch (result.state) {
        case LookupResult::State::found:
            return Counter::lookup_found;
        case LookupResult::State::absent:
            return Counter::lookup_absent;
        case LookupResult::State::no_answer:
            break;
    }
    return result.failure == postgres::Status::unwanted
               ? Counter::lookup_unwanted
               : counter_of(Counter::lookup_timeout, result.failure);
}

// How often a lookup may be sent. Each worker that hears of a change raises the
// zone's mark, so one change can overtake a lookup once per worker. A request
// fails only after more than max_overtaken changes.
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
        result.failure = outcome.status;
        return result;
    }
    if (outcome.rows.empty()) {
        result.state = LookupResult::State::absent;
        return result;
    }
    // A row that cannot be read proves nothing: it counts as no answer.
    if (auto row = postgres::read_session(std::move(outcome.rows.front()))) {
        result.state = LookupResult::State::found;
        result.row = std::move(*row);
        result.attributes = encode_attributes(result.row.attributes);
    }
    return result;
}

std::uint64_t lowest_bits(std::size_t count) {
    return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// The lower half of those bits that are set.
std::uint64_t lower_half(std::uint64_t bits) {
    std::uint64_t half = 0;
    for (int left = std::popcount(bits) / 2; left > 0; left--) {
        const std::uint64_t lowest = bits & (~bits + 1);
        half |= lowest;
        bits ^= lowest;
    }
    return half;
}

// Whether an expression of the configuration may have raised this error. A
// function can raise any SQLSTATE, so all count but the classes in which the
// server reports its own trouble: connections, rollbacks, resources, operator
// intervention and system errors.
bool may_be_a_fact(std::string_view sqlstate) {
    constexpr std::array<std::string_view, 5> of_the_server = {"08", "40", "53",
                                                               "57", "58"};
    return !sqlstate.empty() &&
           std::none_of(of_the_server.begin(), of_the_server.end(),
                        [&](std::string_view prefix) {
                            return sqlstate.starts_with(prefix);
                        });
}

std::string told(const postgres::Outcome& outcome) {
    return outcome.sqlstate.empty() ? ""
                                    : outcome.sqlstate + " " + outcome.message;
}

}  // namespace

// SHA-256 is uniform already: its first bytes are as good as any hash of it.
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
            flights_.erase(it);  // or later requests would wait for it
            throw;
        }
    }
    ngx_queue_insert_tail(&it->second.waiters, &waiter.link);
    waiter.waiting = true;
    waiter.since = ngx_current_msec;
}

// Sends a lookup for the first time or again, for all conditions and
// attributes. What earlier parts have found is forgotten.
void Lookup::send(Flight& flight) {
    const Cache* cache = flight.key->cache;
    flight.asked++;
    flight.begun = std::chrono::steady_clock::now();
    flight.fresh = true;
    flight.server = 0;
    flight.sent = marks_.seq();
    flight.zone_sent = cache == nullptr ? 0 : cache->zone->seq();
    const Facts& facts = *flight.source->facts;
    flight.part = whole(facts);
    flight.parts.clear();
    flight.found.reset();
    submit(flight);
}

Lookup::Part Lookup::whole(const Facts& facts) {
    return {lowest_bits(facts.conditions.size()),
            static_cast<std::uint32_t>(lowest_bits(facts.attributes.size()))};
}

void Lookup::submit(Flight& flight) {
    postgres::Query query;
    query.layout = flight.source->layout;
    query.statement = postgres::Statement::lookup;
    query.parameters.push_back({flight.stored, /*binary=*/true});
    if (!(flight.part == whole(*flight.source->facts))) {
        query.statement = postgres::Statement::lookup_part;
        query.parameters.push_back(
            {postgres::bits_parameter(flight.part.conditions)});
        query.parameters.push_back(
            {postgres::bits_parameter(flight.part.attributes)});
    }
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

// Whether a revocation came after the lookup was sent. Then the answer is not
// used but looked up again: a changed email counts as a revocation too, and
// that user is still logged in. If none came, the answer is cached.
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

// False: the lookup was sent max_asked() times, or memory is out.
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

// Where, for example, the role lacks SELECT, or a lock outlasts the server's
// own limit, every request gets the same error. It is logged when it changes,
// and else once a minute.
void Lookup::log_refusal(std::string text) {
    if (text.empty()) {
        return;
    }
    if (text == refusal_ && ngx_current_msec - refusal_at_ < log_again_after) {
        return;
    }
    ngx_str_t line = as_ngx_str(text);
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "auth_sigra: PostgreSQL refused a lookup: %V", &line);
    refusal_ = std::move(text);
    refusal_at_ = ngx_current_msec;
}

// After an error, repeats the query in parts; true: one was sent. The first has
// no conditions or attributes: if it fails too, they are not the cause. Then
// those are halved until what fails is alone, and counts as not known.
bool Lookup::ask_in_parts(Flight& flight, const postgres::Outcome& outcome) {
    const Part part = flight.part;
    if (outcome.status != postgres::Status::refused || part.size() == 0 ||
        !may_be_a_fact(outcome.sqlstate)) {
        return false;
    }
    if (part.size() > 1) {
        const Part half =
            part.conditions != 0 && part.attributes != 0
                ? Part{part.conditions, 0}
                : Part{lower_half(part.conditions),
                       static_cast<std::uint32_t>(lower_half(part.attributes))};
        flight.parts.push_back({part.conditions & ~half.conditions,
                                part.attributes & ~half.attributes});
        flight.parts.push_back(half);
    } else {
        const Facts& facts = *flight.source->facts;
        log_refusal(
            "auth_sigra_" +
            (part.conditions != 0
                 ? "require \"" + facts.conditions[static_cast<std::size_t>(
                                      std::countr_zero(part.conditions))]
                 : "attribute \"" + facts
                                        .attributes[static_cast<std::size_t>(
                                            std::countr_zero(part.attributes))]
                                        .expression) +
            "\" of a user: " + told(outcome));
    }
    if (!flight.found || flight.parts.empty()) {
        flight.parts.push_back({});
    }
    return ask_next_part(flight);
}

// False: no part is left, or memory is out.
bool Lookup::ask_next_part(Flight& flight) {
    if (flight.parts.empty()) {
        return false;
    }
    flight.part = flight.parts.back();
    flight.parts.pop_back();
    try {
        submit(flight);
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// Merges the part's result with what earlier parts have found. True: another
// part was sent.
bool Lookup::put_together(Flight& flight, LookupResult& result) {
    if (result.state != LookupResult::State::found ||
        (flight.parts.empty() && !flight.found)) {
        return false;
    }
    if (flight.found) {
        postgres::SessionRow& row = result.row;
        const postgres::SessionRow& before = *flight.found;
        for (std::size_t i = 0; i < row.attributes.size(); i++) {
            if ((row.readable >> i & 1) == 0 && i < before.attributes.size()) {
                row.attributes[i] = before.attributes[i];
            }
        }
        row.met |= before.met;
        row.judged |= before.judged;
        row.readable |= before.readable;
        result.attributes = encode_attributes(row.attributes);
    }
    if (flight.parts.empty()) {
        return false;
    }
    flight.found = result.row;
    return ask_next_part(flight);
}

// A session whose attributes do not fit into the cache costs a query each time.
void Lookup::warn_of_misfit(const Key& key, const LookupResult& result) {
    if (misfit_logged_ || key.cache == nullptr ||
        key.cache->zone->has_room_for(result.attributes.size())) {
        return;
    }
    misfit_logged_ = true;
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "auth_sigra: the attributes of a user take %uz bytes and do "
                  "not fit into the cache: each request of the user costs a "
                  "query; give \"auth_sigra_attribute\" a larger size=",
                  result.attributes.size());
}

// After a timeout, or where the query was dropped because nobody waited for it:
// moves the waiters whose time is over to `over`. For the others, who joined
// later, the lookup is sent again, so that they wait no less and no longer than
// with a query of their own. True: it was sent again.
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

// Waking one waiter may end others (a subrequest and its main request), so each
// turn takes the first that is left. From here on a request for the same token
// starts a new flight.
void Lookup::answered(Flight& flight, postgres::Outcome&& outcome) {
    ngx_queue_t over;
    ngx_queue_init(&over);
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - flight.begun);
    count_latency(own_counters->lookup_latency,
                  static_cast<std::uint64_t>(took.count()));
    // Parts from different servers must not be cached as one answer.
    flight.fresh = flight.fresh && !outcome.outdated &&
                   (flight.server == 0 || flight.server == outcome.server);
    flight.server = outcome.server;
    const bool fresh = flight.fresh;
    if (ask_in_parts(flight, outcome)) {
        return;
    }
    log_refusal(told(outcome));
    const bool goes_on = this->goes_on(flight, outcome, over);
    LookupResult result = read_outcome(std::move(outcome));
    if (put_together(flight, result)) {
        return;
    }
    count(counter_of(result));
    warn_of_misfit(*flight.key, result);
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
