#include "nginx/gate.hpp"

#include "nginx/request.hpp"
#include "nginx/response.hpp"
#include "nginx/worker.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/remember_me.hpp"

namespace sigra::nginx {
namespace {

constexpr std::int64_t touch_after_ms = 5 * 60 * 1000;

std::int64_t unix_ms() {
    ngx_time_t* now = ngx_timeofday();
    return static_cast<std::int64_t>(now->sec) * 1000 + now->msec;
}

// The token is the session's; only where the session has none the
// remember-me cookie speaks.
std::string read_remember_me_token(const Visit& visit, const Cookies& cookies,
                                   phoenix::TokenForm form, Verdict& verdict) {
    if (!cookies.remember->enabled) {
        return {};
    }
    auto value =
        phoenix::find_cookie(view(visit.cookie_header), cookies.remember->name);
    if (!value) {
        return {};
    }
    verdict = Verdict::invalid;
    auto payload = cookies.remember_sealer.open(*value);
    if (!payload) {
        return {};
    }
    phoenix::RememberMe remembered =
        phoenix::read_remember_me(*payload, unix_ms());
    if (remembered.state == phoenix::RememberMe::State::expired) {
        verdict = Verdict::expired;
        return {};
    }
    if (remembered.state != phoenix::RememberMe::State::valid) {
        return {};
    }
    return phoenix::token_from_cookie(remembered.token, form).value_or("");
}

phoenix::SessionToken read_session_token(ngx_http_request_t* r, Visit& visit,
                                         const LocationConf& conf) {
    auto value = phoenix::find_cookie(view(visit.cookie_header),
                                      conf.cookies->session->name);
    if (!value) {
        return {};
    }
    auto payload = conf.cookies->session_sealer.open(*value);
    auto session = payload ? phoenix::Session::decode(*payload) : std::nullopt;
    if (!session) {
        visit.session_invalid = true;
        return {};
    }
    visit.session_payload = copy(r->pool, *payload);
    return phoenix::session_token(*session, conf.source->keys,
                                  conf.source->form);
}

// Where there is no token to ask for, the verdict says why.
void read_token(ngx_http_request_t* r, const LocationConf& conf, Visit& visit) {
    phoenix::SessionToken found = read_session_token(r, visit, conf);
    visit.verdict =
        visit.session_invalid ? Verdict::invalid : Verdict::anonymous;
    std::string token;
    switch (found.state) {
        case phoenix::SessionToken::State::present:
            token = std::move(found.bytes);
            break;
        case phoenix::SessionToken::State::invalid:
            visit.verdict = Verdict::invalid;
            return;
        case phoenix::SessionToken::State::absent:
            token = read_remember_me_token(visit, *conf.cookies,
                                           conf.source->form, visit.verdict);
            visit.from_remember_me = !token.empty();
            break;
    }
    if (token.empty()) {
        return;
    }
    visit.token = copy(r->pool, token);
    visit.token_hash = phoenix::sha256(token);
    visit.has_token = visit.token.data != nullptr;
}

std::string_view stored(const Visit& visit) {
    if (visit.source->kind == postgres::LayoutKind::phx_gen_auth) {
        return view(visit.token);
    }
    return {visit.token_hash.data(), visit.token_hash.size()};
}

bool keep(ngx_pool_t* pool, const LookupResult& result, LookedUp& out) {
    const postgres::SessionRow& row = result.row;
    out.state = result.state;
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

void take_result(Visit& visit, const LookupResult& result) {
    if (!keep(visit.request->pool, result, visit.looked_up)) {
        visit.looked_up.state = LookupResult::State::no_answer;
    }
    visit.step = Visit::Step::answered;
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

void ask(ngx_http_request_t* r, Visit& visit) {
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*visit.source->database);
    if (pool == nullptr) {
        visit.step = Visit::Step::answered;
        visit.looked_up.state = LookupResult::State::no_answer;
        return;
    }
    visit.waiter.data = &visit;
    visit.waiter.wake = wake;
    w->lookup().ask(*pool, *visit.source,
                    {visit.token_hash, visit.source->fingerprint},
                    stored(visit), visit.waiter);
    visit.step = Visit::Step::waiting;
    wait_in_phases(r);
}

// A main request's verdict serves its subrequests as well, where both ask the
// same source with the same cookies.
bool take_from_main(ngx_http_request_t* r, Visit& visit) {
    const Visit* main = r == r->main ? nullptr : find_visit(r->main);
    if (main == nullptr || main->step != Visit::Step::answered ||
        main->source != visit.source || main->cookies != visit.cookies) {
        return false;
    }
    visit.session_payload = main->session_payload;
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
    visit.verdict = Verdict::miss;
    visit.identified = true;
    return is_fresh(conf, visit.looked_up) ? Decision::pass
                                           : Decision::not_fresh;
}

// Off the request's path: nobody waits for it, and a failure costs a session
// that is idle a little earlier.
void touch(Visit& visit) {
    const LookedUp& found = visit.looked_up;
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*visit.source->database);
    if (visit.touched || pool == nullptr || !found.idle_ms ||
        found.now(*found.idle_ms) < touch_after_ms) {
        return;
    }
    visit.touched = true;
    postgres::Query query;
    query.layout = visit.source->layout;
    query.statement = postgres::Statement::touch;
    query.parameters.push_back({std::string(stored(visit)), /*binary=*/true});
    query.done = [](postgres::Outcome&&) {};
    pool->submit(std::move(query));
}

void rehydrate(ngx_http_request_t* r, const LocationConf& conf, Visit& visit) {
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

void read_cookies(ngx_http_request_t* r, const LocationConf& conf,
                  Visit& visit) {
    read_cookie_header(r, visit);
    if (visit.source != conf.source || visit.cookies != conf.cookies) {
        visit.forget_verdict();
    }
    if (visit.step != Visit::Step::fresh) {
        return;
    }
    visit.source = conf.source;
    visit.cookies = conf.cookies;
    if (take_from_main(r, visit)) {
        visit.step = Visit::Step::answered;
        return;
    }
    read_token(r, conf, visit);
    visit.step = Visit::Step::read;
}

std::string stored_token(const Source& source, std::string_view token) {
    if (source.kind == postgres::LayoutKind::phx_gen_auth) {
        return std::string(token);
    }
    const phoenix::Sha256 hash = phoenix::sha256(token);
    return {hash.data(), hash.size()};
}

std::string remembered_token(const LocationConf& conf, const Visit& visit) {
    Verdict ignored = Verdict::none;
    return read_remember_me_token(visit, *conf.cookies, conf.source->form,
                                  ignored);
}

Decision decide(ngx_http_request_t* r, const LocationConf& conf, Visit& visit) {
    read_cookie_header(r, visit);
    if (visit.cookie_header_twice) {
        return Decision::two_cookies;
    }
    read_cookies(r, conf, visit);
    switch (visit.step) {
        case Visit::Step::fresh:
            return Decision::internal_error;
        case Visit::Step::read:
            visit.step = Visit::Step::answered;
            if (visit.has_token) {
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

void on_pass(ngx_http_request_t* r, const LocationConf& conf, Visit& visit) {
    if (conf.source->kind == postgres::LayoutKind::sigra_sessions) {
        touch(visit);
    }
    if (r == r->main && visit.from_remember_me && visit.set_session.len == 0) {
        rehydrate(r, conf, visit);
    }
}

}  // namespace sigra::nginx
