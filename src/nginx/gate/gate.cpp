#include "nginx/gate/gate.hpp"

#include "nginx/counters.hpp"
#include "nginx/debug.hpp"
#include "nginx/gate/cache.hpp"
#include "nginx/gate/facts.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {
namespace {

constexpr std::int64_t touch_after_ms = 5 * 60 * 1000;

bool keep(ngx_pool_t* pool, const LookupResult& result, LookedUp& out) {
    const postgres::SessionRow& row = result.row;
    out.state = result.state;
    out.failure = result.failure;
    out.how = Status::miss;
    out.at = result.at;
    if (result.state != LookupResult::State::found) {
        return true;
    }
    out.identity.user_id = copy(pool, row.user_id);
    out.identity.email = copy(pool, row.email);
    out.identity.authenticated_at = row.authenticated_at;
    out.remember_me_row = row.remember_me;
    out.age_ms = row.age_ms;
    out.authenticated_age_ms = row.authenticated_age_ms;
    out.idle_ms = row.idle_ms;
    out.met = row.met;
    out.judged = row.judged;
    out.readable = row.readable;
    out.attributes = copy(pool, result.attributes);
    return out.identity.user_id.data != nullptr &&
           out.identity.email.data != nullptr && out.attributes.data != nullptr;
}

std::optional<std::int64_t> known(std::int64_t moment) {
    return moment == no_time ? std::nullopt : std::optional(moment);
}

std::optional<std::int64_t> age_of(std::int64_t moment, std::int64_t now) {
    return moment == no_time ? std::nullopt : std::optional(now - moment);
}

bool keep(ngx_pool_t* pool, const cache::ZoneFacts& facts, LookedUp& out) {
    out.met = facts.met;
    out.judged = facts.judged;
    out.readable = facts.readable;
    if (facts.length == 0) {
        return true;
    }
    out.attributes = copy(pool, facts.attributes());
    return out.attributes.data != nullptr;
}

// `facts`: null where the source has none.
[[gnu::hot]] bool keep(ngx_pool_t* pool, const ZoneEntry& cell,
                       const cache::ZoneFacts* facts, Status how,
                       LookedUp& out) {
    if (cell.has(ZoneEntry::dead)) {
        out = {};
        out.state = LookupResult::State::absent;
        out.how = how;
        out.at = ngx_current_msec;
        return true;
    }
    // In the cell the email directly follows the id: one copy holds both.
    const std::size_t id_length = cell.user_id_length;
    const ngx_str_t both =
        copy(pool, {cell.text, id_length + cell.email_length});
    if (both.data == nullptr) {
        return false;
    }
    const std::int64_t now = monotonic_ms();
    out.state = LookupResult::State::found;
    out.how = how;
    out.identity.user_id = {id_length, both.data};
    out.identity.email = {cell.email_length, both.data + id_length};
    out.identity.authenticated_at = known(cell.authenticated_at);
    out.remember_me_row = cell.has(ZoneEntry::remember_me);
    out.at = ngx_current_msec;
    out.age_ms = now - cell.inserted_at;
    out.authenticated_age_ms = age_of(cell.authenticated, now);
    out.idle_ms = age_of(cell.active_at, now);
    out.kept_ms = now - cell.verified_at;
    return facts == nullptr || keep(pool, *facts, out);
}

[[gnu::hot]] bool take_from_cache(Visit& visit) {
    Verdict& verdict = visit.verdict;
    ZoneEntry cell;
    cache::ZoneFacts behind;
    cache::ZoneFacts* facts =
        verdict.source->facts->empty() ? nullptr : &behind;
    std::uint32_t nowhere = no_cell;
    std::uint32_t& place =
        verdict.place_in_zone != nullptr ? *verdict.place_in_zone : nowhere;
    if (verdict.cache == nullptr) {
        return false;
    }
    const bool found =
        find_trusted(*verdict.cache, key_of(verdict), place, cell, facts);
    count(found ? Counter::cache_hit : Counter::cache_miss);
    return found && keep(visit.request->pool, cell, facts, Status::hit,
                         verdict.looked_up);
}

bool take_stale(Visit& visit) {
    Verdict& verdict = visit.verdict;
    ZoneEntry cell;
    cache::ZoneFacts behind;
    cache::ZoneFacts* facts =
        verdict.source->facts->empty() ? nullptr : &behind;
    return verdict.cache != nullptr &&
           find_stale(*verdict.cache, key_of(verdict), cell, facts) &&
           keep(visit.request->pool, cell, facts, Status::stale,
                verdict.looked_up);
}

// Whether a verdict from another location can be used here. If its result came
// from a cache, both locations must have the same cache settings.
bool is_for(const Cache* cache, const Verdict& verdict) {
    return verdict.cache == cache || verdict.looked_up.how == Status::miss ||
           verdict.looked_up.how == Status::none;
}

// The source for the credential that the client sent. If it sent both, the API
// token counts and not the cookies.
const Source* source_of(const LocationConf& conf, const Arrival& arrival) {
    return conf.bearer_source != nullptr &&
                   (arrival.bearer || conf.is_bearer_only())
               ? conf.bearer_source
               : conf.source;
}

bool is_for(const LocationConf& conf, const Arrival& arrival,
            const Verdict& verdict) {
    return verdict.source == source_of(conf, arrival) &&
           verdict.cookies == conf.cookies && is_for(conf.cache, verdict);
}

// A main request's verdict serves its subrequests as well, where both ask the
// same source with the same cookies.
[[gnu::cold]] bool take_from_main(const LocationConf& conf, Visit& visit) {
    const Verdict& main = visit.main->verdict;
    if (main.step != Verdict::Step::answered ||
        !is_for(conf, visit.main->arrival, main)) {
        return false;
    }
    visit.verdict = main;
    visit.verdict.judge = nullptr;
    visit.verdict.cache = conf.cache;
    return true;
}

bool may_ask_again() {
    Worker* w = worker();
    return w != nullptr && w->lookup().may_ask_again();
}

bool is_idle(const LocationConf& conf, const Verdict& verdict) {
    const LookedUp& found = verdict.looked_up;
    return verdict.source->kind == postgres::LayoutKind::sigra_sessions &&
           conf.idle_timeout_s() != 0 && !found.remember_me_row &&
           found.idle_ms &&
           found.now(*found.idle_ms) > conf.idle_timeout_s() * 1000;
}

bool is_over(const LocationConf& conf, const Verdict& verdict) {
    const LookedUp& found = verdict.looked_up;
    return found.now(found.age_ms) >= ttl_ms(conf, *verdict.source, found) ||
           is_idle(conf, verdict);
}

// An API token never counts as a fresh login, whatever its row says.
bool is_fresh(const LocationConf& conf, const Verdict& verdict) {
    const LookedUp& found = verdict.looked_up;
    return conf.sudo == 0 ||
           (!verdict.by_bearer && found.authenticated_age_ms &&
            found.now(*found.authenticated_age_ms) <= conf.sudo * 1000);
}

// auth_sigra_require. Variables are evaluated last, when those of the identity
// are already set.
Decision judge_rules(ngx_http_request_t* r, const Rules& rules,
                     Verdict& verdict) {
    const LookedUp& found = verdict.looked_up;
    switch (standing(rules, found.met, found.judged, found.readable)) {
        case Standing::not_known:
            verdict.identified = false;
            verdict.status = Status::error;
            return Decision::no_answer;
        case Standing::may:
            if (variables_hold(r, rules)) {
                return Decision::pass;
            }
            break;
        case Standing::may_not:
            break;
    }
    verdict.status = Status::forbidden;
    return Decision::forbidden;
}

// Judges the lookup's result by this location's settings: another location may
// take the same row for expired.
[[gnu::hot]] Decision judge(ngx_http_request_t* r, const LocationConf& conf,
                            Verdict& verdict) {
    verdict.judge = &conf;
    verdict.rules = conf.rules;
    verdict.identified = false;
    if (!verdict.has_token) {
        return Decision::anonymous;
    }
    switch (verdict.looked_up.state) {
        case LookupResult::State::no_answer:
            verdict.status = Status::error;
            return Decision::no_answer;
        case LookupResult::State::absent:
            verdict.status = Status::unknown;
            return Decision::anonymous;
        case LookupResult::State::found:
            break;
    }
    if (is_over(conf, verdict)) {
        verdict.status = Status::expired;
        return Decision::anonymous;
    }
    verdict.status = verdict.looked_up.how;
    verdict.identified = true;
    if (conf.rules != nullptr) {
        const Decision decision = judge_rules(r, *conf.rules, verdict);
        if (decision != Decision::pass) {
            return decision;
        }
    }
    return is_fresh(conf, verdict) ? Decision::pass : Decision::not_fresh;
}

// Writes last_active_at in the background. The request does not wait for it,
// and if it fails, the session only becomes idle a little earlier.
[[gnu::cold]] void touch(Visit& visit) {
    const Verdict& verdict = visit.verdict;
    const LookedUp& found = verdict.looked_up;
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*verdict.source->database);
    if (visit.touched || pool == nullptr || !found.idle_ms ||
        found.how == Status::stale ||
        found.now(*found.idle_ms) < touch_after_ms) {
        return;
    }
    visit.touched = true;
    if (verdict.cache != nullptr) {
        verdict.cache->zone->touch(verdict.token_hash,
                                   verdict.source->fingerprint, monotonic_ms());
    }
    pool->touch(verdict.source->layout, stored_token(verdict));
}

[[gnu::cold]] void rehydrate(ngx_http_request_t* r, const LocationConf& conf,
                             Visit& visit) {
    // The response to a prefetch may arrive after a later login or log-out and
    // overwrite its cookie.
    if (is_prefetch(r) || is_session_held_back(r, conf, visit)) {
        return;
    }
    phoenix::Session session = session_of(visit);
    phoenix::put_token(session, conf.source->keys, conf.source->form,
                       view(visit.verdict.token));
    session.put_true(conf.source->keys.remember_me);
    ensure_csrf_state(session);
    write_session(r, conf, visit, session);
}

[[gnu::cold]] void tell_token(const ngx_http_request_t* r,
                              const Verdict& verdict) {
    if (!verdict.has_token) {
        debug(r, "no token: " + std::string(name(verdict.status)));
        return;
    }
    debug(r, "session " + phoenix::hex_encode({verdict.token_hash.data(), 8}) +
                 " of " +
                 (verdict.from_remember_me ? "the remember-me cookie"
                                           : "the session cookie"));
}

[[gnu::cold]] void tell_answer(const Visit& visit) {
    const LookedUp& found = visit.verdict.looked_up;
    std::string_view answer = "PostgreSQL gave no answer";
    switch (found.state) {
        case LookupResult::State::found:
            answer = found.how == Status::stale
                         ? "PostgreSQL is out of reach: the cache has it"
                         : "PostgreSQL has the session";
            break;
        case LookupResult::State::absent:
            answer = "PostgreSQL does not have the session";
            break;
        case LookupResult::State::no_answer:
            break;
    }
    debug(visit.request, answer);
}

}  // namespace

std::int64_t ttl_ms(const LocationConf& conf, const Source& source,
                    const LookedUp& found) {
    if (&source == conf.bearer_source) {
        return conf.bearer->ttl_s * 1000;
    }
    return (found.remember_me_row ? conf.ttl->remember_me_s
                                  : conf.ttl->standard_s) *
           1000;
}

Lookup::Key key_of(const Verdict& verdict) {
    return {verdict.token_hash, verdict.source->fingerprint, verdict.cache};
}

void take_result(Visit& visit, const LookupResult& result) {
    Verdict& verdict = visit.verdict;
    verdict.step = Verdict::Step::answered;
    if (!(result.out_of_reach() && take_stale(visit)) &&
        !keep(visit.request->pool, result, verdict.looked_up)) {
        verdict.looked_up.state = LookupResult::State::no_answer;
    }
    if (debugs(visit.request)) {
        tell_answer(visit);
    }
}

[[gnu::hot]] void open_cookies(ngx_http_request_t* r, const LocationConf& conf,
                               Visit& visit) {
    Verdict& verdict = visit.verdict;
    read_cookies(r, visit.main->arrival);
    if (verdict.step != Verdict::Step::fresh &&
        !is_for(conf, visit.main->arrival, verdict)) {
        verdict.forget();
    }
    if (verdict.step != Verdict::Step::fresh) {
        return;
    }
    if (r != r->main && take_from_main(conf, visit)) {
        return;
    }
    verdict.source = source_of(conf, visit.main->arrival);
    verdict.by_bearer = verdict.source == conf.bearer_source;
    verdict.cookies = conf.cookies;
    verdict.cache = conf.cache;
    (void)read_token(conf, visit);
    if (debugs(r)) {
        tell_token(r, verdict);
    }
    verdict.step = Verdict::Step::read;
}

[[gnu::hot]] Decision decide(ngx_http_request_t* r, const LocationConf& conf,
                             Visit& visit) {
    read_cookies(r, visit.main->arrival);
    if (visit.main->arrival.cookies_twice && !conf.is_bearer_only()) {
        return Decision::two_cookies;
    }
    open_cookies(r, conf, visit);
    Verdict& verdict = visit.verdict;
    switch (verdict.step) {
        case Verdict::Step::fresh:
            return Decision::internal_error;
        case Verdict::Step::read:
            if (verdict.has_token && !take_from_cache(visit)) {
                return Decision::ask;
            }
            if (verdict.has_token && debugs(r)) {
                debug(r, "the cache has the session");
            }
            verdict.step = Verdict::Step::answered;
            break;
        case Verdict::Step::waiting:
            return Decision::wait;
        case Verdict::Step::answered:
            break;
    }
    if (conf.rules != nullptr && is_doubtful(*conf.rules, verdict.looked_up) &&
        may_ask_again()) {
        return Decision::ask;
    }
    return judge(r, conf, verdict);
}

[[gnu::hot]] void on_pass(ngx_http_request_t* r, const LocationConf& conf,
                          Visit& visit) {
    if (visit.verdict.source->kind == postgres::LayoutKind::sigra_sessions) {
        touch(visit);
    }
    if (r == r->main && visit.verdict.from_remember_me &&
        visit.outbox.find(conf.session_cookie->name) == nullptr) {
        rehydrate(r, conf, visit);
    }
}

}  // namespace sigra::nginx
