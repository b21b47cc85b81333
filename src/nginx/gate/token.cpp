#include "nginx/gate/token.hpp"

#include <algorithm>

#include "cache/session_memo.hpp"
#include "nginx/worker.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/remember_me.hpp"
#include "phoenix/session.hpp"

namespace sigra::nginx {
namespace {

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

std::optional<std::string_view> session_cookie(const Visit& visit,
                                               const Cookies& cookies) {
    return phoenix::find_cookie(view(visit.cookie_header),
                                cookies.session->name);
}

// `value`: the session cookie's.
phoenix::SessionToken read_session_token(ngx_http_request_t* r, Visit& visit,
                                         const LocationConf& conf,
                                         std::string_view value) {
    auto payload = conf.cookies->session_sealer.open(value);
    auto session = payload ? phoenix::Session::decode(*payload) : std::nullopt;
    if (!session) {
        visit.session_invalid = true;
        return {};
    }
    visit.session_payload = copy(r->pool, *payload);
    return phoenix::session_token(*session, conf.source->keys,
                                  conf.source->form);
}

cache::SessionMemo::Keys keys_of(const LocationConf& conf) {
    return {conf.cookies->id, conf.source->fingerprint};
}

// What a cookie came to before. Its session stays closed: few requests look
// into it.
bool recall(std::string_view value, const LocationConf& conf, Visit& visit) {
    Worker* w = worker();
    cache::SessionMemo::Remembered* known =
        w == nullptr ? nullptr : w->memo().find(value, keys_of(conf));
    if (known == nullptr) {
        return false;
    }
    if (conf.cache != nullptr) {
        conf.cache->zone->prefetch(known->place_in_zone);
    }
    visit.place_in_zone = &known->place_in_zone;
    visit.token = known->token;
    visit.token_hash = known->token_hash;
    visit.has_token = true;
    visit.session_sealed = true;
    visit.verdict = Verdict::anonymous;
    return true;
}

void remember(std::string_view value, const LocationConf& conf,
              const Visit& visit) {
    if (Worker* w = worker()) {
        w->memo().remember(value, keys_of(conf),
                           {visit.token, visit.token_hash});
    }
}

[[gnu::cold]] bool read_new_token(ngx_http_request_t* r,
                                  const LocationConf& conf, Visit& visit) {
    const auto value = session_cookie(visit, *conf.cookies);
    // Behind a pair that Plug drops stands what may well be remembered: not
    // twice, or one cookie would fill its set.
    if (value && recall(*value, conf, visit)) {
        return true;
    }
    phoenix::SessionToken found;
    if (value) {
        found = read_session_token(r, visit, conf, *value);
    }
    visit.verdict =
        visit.session_invalid ? Verdict::invalid : Verdict::anonymous;
    std::string token;
    switch (found.state) {
        case phoenix::SessionToken::State::present:
            token = std::move(found.bytes);
            break;
        case phoenix::SessionToken::State::invalid:
            visit.verdict = Verdict::invalid;
            return false;
        case phoenix::SessionToken::State::absent:
            token = read_remember_me_token(visit, *conf.cookies,
                                           conf.source->form, visit.verdict);
            visit.from_remember_me = !token.empty();
            break;
    }
    if (token.size() != visit.token.size()) {
        return false;
    }
    std::copy(token.begin(), token.end(), visit.token.begin());
    visit.token_hash = phoenix::sha256(token);
    visit.has_token = true;
    if (!visit.from_remember_me) {
        remember(*value, conf, visit);
    }
    return true;
}

}  // namespace

[[gnu::hot]] bool read_token(ngx_http_request_t* r, const LocationConf& conf,
                             Visit& visit) {
    // What is remembered was found by find_cookie() once.
    const auto sent = phoenix::first_cookie(view(visit.cookie_header),
                                            conf.cookies->session->name);
    return (sent && recall(*sent, conf, visit)) ||
           read_new_token(r, conf, visit);
}

std::optional<phoenix::Session> open_session(const Visit& visit) {
    const auto value = session_cookie(visit, *visit.cookies);
    auto payload =
        value ? visit.cookies->session_sealer.open(*value) : std::nullopt;
    return payload ? phoenix::Session::decode(*payload) : std::nullopt;
}

std::string_view stored_token(const Visit& visit) {
    if (visit.source->kind == postgres::LayoutKind::phx_gen_auth) {
        return view(visit.token);
    }
    return {visit.token_hash.data(), visit.token_hash.size()};
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

}  // namespace sigra::nginx
