#include "nginx/gate/gate.hpp"

#include "nginx/gate/cache.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr std::int64_t touch_after_ms = 5 * 60 * 1000;

bool keep(ngx_pool_t* pool, const LookupResult& result, LookedUp& out) {
    const postgres::SessionRow& row = result.row;
    out.state = result.state;
    out.how = Verdict::miss;
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
    return out.identity.user_id.data != nullptr &&
           out.identity.email.data != nullptr;
}

std::optional<std::int64_t> known(std::int64_t moment) {
    return moment == no_time ? std::nullopt : std::optional(moment);
}

std::optional<std::int64_t> age_of(std::int64_t moment, std::int64_t now) {
    return moment == no_time ? std::nullopt : std::optional(now - moment);
}

[[gnu::hot]] bool keep(ngx_pool_t* pool, const ZoneEntry& cell, Verdict how,
                       LookedUp& out) {
    if (cell.has(ZoneEntry::dead)) {
        out = {};
        out.state = LookupResult::State::absent;
        out.how = how;
        out.at = ngx_current_msec;
        return true;
    }
    // The email follows the id there as here.
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
    return true;
}

Lookup::Key key_of(const Visit& visit) {
    return {visit.token_hash, visit.source->fingerprint, visit.cache};
}

[[gnu::hot]] bool take_from_cache(Visit& visit) {
    ZoneEntry cell;
    std::uint32_t nowhere = no_cell;
    std::uint32_t& place =
        visit.place_in_zone != nullptr ? *visit.place_in_zone : nowhere;
    return visit.cache != nullptr &&
           find_trusted(*visit.cache, key_of(visit), place, cell) &&
           keep(visit.request->pool, cell, Verdict::hit, visit.looked_up);
}

bool take_stale(Visit& visit) {
    ZoneEntry cell;
    return visit.cache != nullptr &&
           find_stale(*visit.cache, key_of(visit), cell) &&
           keep(visit.request->pool, cell, Verdict::stale, visit.looked_up);
}

void take_result(Visit& visit, const LookupResult& result) {
    visit.step = Visit::Step::answered;
    if (result.out_of_reach && take_stale(visit)) {
        return;
    }
    if (!keep(visit.request->pool, result, visit.looked_up)) {
        visit.looked_up.state = LookupResult::State::no_answer;
    }
}

void wake(void* data, const LookupResult& result) noexcept {
    auto* visit = static_cast<Visit*>(data);
    ngx_connection_t* c = visit->request->connection;
    take_result(*visit, result);
    if (visit->resume != nullptr) {
        visit->resume(visit->resume_data);
        ngx_http_run_posted_requests(c);
        return;
    }
    run_phases_again(visit->request);
}

[[gnu::cold]] void ask(ngx_http_request_t* r, Visit& visit) {
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*visit.source->database);
    if (pool == nullptr || !watch(visit)) {
        visit.step = Visit::Step::answered;
        visit.looked_up.state = LookupResult::State::no_answer;
        return;
    }
    visit.waiter.data = &visit;
    visit.waiter.wake = wake;
    w->lookup().ask(*pool, *visit.source, key_of(visit), stored_token(visit),
                    visit.waiter);
    visit.step = Visit::Step::waiting;
    wait_in_phases(r);
}

// Whether what was looked up for another location counts by this one's rules:
// what comes from a cache, only where both say the same of it.
bool is_for(const Cache* cache, const Visit& visit) {
    return visit.cache == cache || visit.looked_up.how == Verdict::miss ||
           visit.looked_up.how == Verdict::none;
}

// A main request's verdict serves its subrequests as well, where both ask the
// same source with the same cookies.
[[gnu::cold]] bool take_from_main(ngx_http_request_t* r, Visit& visit) {
    const Visit* main = find_visit(r->main);
    if (main == nullptr || main->step != Visit::Step::answered ||
        main->source != visit.source || main->cookies != visit.cookies ||
        !is_for(visit.cache, *main)) {
        return false;
    }
    visit.session_payload = main->session_payload;
    visit.session_sealed = main->session_sealed;
    visit.session_invalid = main->session_invalid;
    visit.has_token = main->has_token;
    visit.from_remember_me = main->from_remember_me;
    visit.token_hash = main->token_hash;
    visit.token = main->token;
    visit.looked_up = main->looked_up;
    visit.verdict = main->verdict;
    return true;
}

bool is_idle(const LocationConf& conf, const LookedUp& found) {
    return conf.source->kind == postgres::LayoutKind::sigra_sessions &&
           conf.idle_timeout_s() != 0 && !found.remember_me_row &&
           found.idle_ms &&
           found.now(*found.idle_ms) > conf.idle_timeout_s() * 1000;
}

bool is_over(const LocationConf& conf, const LookedUp& found) {
    std::int64_t ttl_s =
        found.remember_me_row ? conf.ttl->remember_me_s : conf.ttl->standard_s;
    return found.now(found.age_ms) >= ttl_s * 1000 || is_idle(conf, found);
}

bool is_fresh(const LocationConf& conf, const LookedUp& found) {
    return conf.sudo == 0 ||
           (found.authenticated_age_ms &&
            found.now(*found.authenticated_age_ms) <= conf.sudo * 1000);
}

// The location's own judgement of what the lookup said: another location may
// hold the same row for dead.
Decision judge(const LocationConf& conf, Visit& visit) {
    visit.identified = false;
    if (!visit.has_token) {
        return Decision::anonymous;
    }
    switch (visit.looked_up.state) {
        case LookupResult::State::no_answer:
            visit.verdict = Verdict::error;
            return Decision::no_answer;
        case LookupResult::State::absent:
            visit.verdict = Verdict::unknown;
            return Decision::anonymous;
        case LookupResult::State::found:
            break;
    }
    if (is_over(conf, visit.looked_up)) {
        visit.verdict = Verdict::expired;
        return Decision::anonymous;
    }
    visit.verdict = visit.looked_up.how;
    visit.identified = true;
    return is_fresh(conf, visit.looked_up) ? Decision::pass
                                           : Decision::not_fresh;
}

// Off the request's path: nobody waits for it, and a failure costs a session
// that is idle a little earlier.
[[gnu::cold]] void touch(Visit& visit) {
    const LookedUp& found = visit.looked_up;
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*visit.source->database);
    if (visit.touched || pool == nullptr || !found.idle_ms ||
        found.how == Verdict::stale ||
        found.now(*found.idle_ms) < touch_after_ms) {
        return;
    }
    visit.touched = true;
    if (visit.cache != nullptr) {
        visit.cache->zone->touch(visit.token_hash, visit.source->fingerprint,
                                 monotonic_ms());
    }
    pool->touch(visit.source->layout, stored_token(visit));
}

[[gnu::cold]] void rehydrate(ngx_http_request_t* r, const LocationConf& conf,
                             Visit& visit) {
    phoenix::Session session = session_of(visit);
    phoenix::put_token(session, conf.source->keys, conf.source->form,
                       view(visit.token));
    session.put_true(conf.source->keys.remember_me);
    ensure_csrf_state(session);
    write_session(r, conf, visit, session);
}

}  // namespace

void wait_in_phases(ngx_http_request_t* r) {
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}

// As ngx_http_limit_req_delay does, for the same phase engine.
void run_phases_again(ngx_http_request_t* r) {
    ngx_connection_t* c = r->connection;
    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}

[[gnu::hot]] void read_cookies(ngx_http_request_t* r, const LocationConf& conf,
                               Visit& visit) {
    if (!visit.cookie_header_known) {
        read_cookie_header(r, visit);
    }
    if (visit.step != Visit::Step::fresh &&
        (visit.source != conf.source || visit.cookies != conf.cookies ||
         !is_for(conf.cache, visit))) {
        visit.forget_verdict();
    }
    if (visit.step != Visit::Step::fresh) {
        return;
    }
    visit.source = conf.source;
    visit.cookies = conf.cookies;
    visit.cache = conf.cache;
    if (r != r->main && take_from_main(r, visit)) {
        visit.step = Visit::Step::answered;
        return;
    }
    (void)read_token(r, conf, visit);
    visit.step = Visit::Step::read;
}

[[gnu::hot]] Decision decide(ngx_http_request_t* r, const LocationConf& conf,
                             Visit& visit) {
    if (!visit.cookie_header_known) {
        read_cookie_header(r, visit);
    }
    if (visit.cookie_header_twice) {
        return Decision::two_cookies;
    }
    read_cookies(r, conf, visit);
    switch (visit.step) {
        case Visit::Step::fresh:
            return Decision::internal_error;
        case Visit::Step::read:
            visit.step = Visit::Step::answered;
            if (visit.has_token && !take_from_cache(visit)) {
                ask(r, visit);
            }
            if (visit.step == Visit::Step::waiting) {
                return Decision::wait;
            }
            break;
        case Visit::Step::waiting:
            return Decision::wait;
        case Visit::Step::answered:
            break;
    }
    return judge(conf, visit);
}

[[gnu::hot]] void on_pass(ngx_http_request_t* r, const LocationConf& conf,
                          Visit& visit) {
    if (conf.source->kind == postgres::LayoutKind::sigra_sessions) {
        touch(visit);
    }
    if (r == r->main && visit.from_remember_me && visit.set_session.len == 0) {
        rehydrate(r, conf, visit);
    }
}

}  // namespace sigra::nginx
