#include "nginx/gate/token.hpp"

#include <algorithm>

#include "cache/session_memo.hpp"
#include "nginx/worker.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/remember_me.hpp"

namespace sigra::nginx {
namespace {

std::int64_t unix_ms() {
    ngx_time_t* now = ngx_timeofday();
    return static_cast<std::int64_t>(now->sec) * 1000 + now->msec;
}

// The cookie's value as the browser will have it after this response.
std::optional<std::string_view> cookie_named(const Visit& visit,
                                             const std::string& name) {
    if (const Outbox::Slot* slot = visit.main->outbox.find(name)) {
        return slot->value();
    }
    return phoenix::find_cookie(view(visit.main->arrival.cookies), name);
}

// Only for a session that holds no token: where it does, the remember-me cookie
// does not count.
std::string read_remember_me_token(const Visit& visit, const Cookies& cookies,
                                   phoenix::TokenForm form, Status& status) {
    if (!cookies.remember->enabled) {
        return {};
    }
    auto value = cookie_named(visit, cookies.remember->name);
    if (!value) {
        return {};
    }
    status = Status::invalid;
    auto payload = cookies.remember_sealer.open(*value);
    if (!payload) {
        return {};
    }
    phoenix::RememberMe remembered =
        phoenix::read_remember_me(*payload, unix_ms());
    if (remembered.state == phoenix::RememberMe::State::expired) {
        status = Status::expired;
        return {};
    }
    if (remembered.state != phoenix::RememberMe::State::valid) {
        return {};
    }
    return phoenix::token_from_cookie(remembered.token, form).value_or("");
}

cache::SessionMemo::Keys keys_of(const LocationConf& conf) {
    return {conf.cookies->id, conf.source->fingerprint};
}

// The token of a cookie that was read before. The session in it is not decoded,
// because few requests need it.
bool recall(std::string_view value, const LocationConf& conf,
            Verdict& verdict) {
    Worker* w = worker();
    cache::SessionMemo::Remembered* known =
        w == nullptr ? nullptr : w->memo().find(value, keys_of(conf));
    if (known == nullptr) {
        return false;
    }
    if (conf.cache != nullptr) {
        conf.cache->zone->prefetch(known->place_in_zone);
    }
    verdict.place_in_zone = &known->place_in_zone;
    verdict.token = known->token;
    verdict.token_hash = known->token_hash;
    verdict.has_token = true;
    verdict.status = Status::anonymous;
    return true;
}

void remember(std::string_view value, const LocationConf& conf,
              const Verdict& verdict) {
    if (Worker* w = worker()) {
        w->memo().remember(value, keys_of(conf),
                           {verdict.token, verdict.token_hash});
    }
}

// Empty: there is none, and the verdict's status says why.
std::string find_token(const LocationConf& conf, Visit& visit) {
    using phoenix::SessionCookie;
    using phoenix::SessionToken;
    Verdict& verdict = visit.verdict;
    const SessionCookie cookie = open_session(visit, *conf.cookies);
    verdict.status = cookie.state == SessionCookie::State::absent ||
                             cookie.state == SessionCookie::State::good
                         ? Status::anonymous
                         : Status::invalid;
    // It may hold a token, possibly a dead one: then the remember-me cookie
    // must not count.
    if (cookie.state == SessionCookie::State::not_understood) {
        return {};
    }
    SessionToken token = phoenix::session_token(
        cookie.session, conf.source->keys, conf.source->form);
    switch (token.state) {
        case SessionToken::State::present:
            return std::move(token.bytes);
        case SessionToken::State::invalid:
            verdict.status = Status::invalid;
            return {};
        case SessionToken::State::absent:
            break;
    }
    std::string remembered = read_remember_me_token(
        visit, *conf.cookies, conf.source->form, verdict.status);
    verdict.from_remember_me = !remembered.empty();
    return remembered;
}

[[gnu::cold]] bool read_new_token(const LocationConf& conf, Visit& visit) {
    const auto value = cookie_named(visit, conf.cookies->session->name);
    Verdict& verdict = visit.verdict;
    // read_token() looks only at the first pair of this name. If Plug drops
    // that pair, a later one may be in the memo already. It must not be stored
    // twice, or one cookie would fill its set.
    if (value && recall(*value, conf, verdict)) {
        return true;
    }
    const std::string token = find_token(conf, visit);
    if (token.size() != verdict.token.size()) {
        return false;
    }
    std::copy(token.begin(), token.end(), verdict.token.begin());
    verdict.token_hash = phoenix::sha256(token);
    verdict.has_token = true;
    if (!verdict.from_remember_me) {
        remember(*value, conf, verdict);
    }
    return true;
}

// As phx.gen.auth's guide to API authentication has it: 32 bytes in base64url.
bool read_bearer(std::optional<std::string_view> text, Verdict& verdict) {
    verdict.status = text ? Status::invalid : Status::anonymous;
    const auto token = phoenix::base64url_decode(text.value_or(""));
    if (!token || token->size() != verdict.token.size()) {
        return false;
    }
    std::copy(token->begin(), token->end(), verdict.token.begin());
    verdict.token_hash = phoenix::sha256(*token);
    verdict.has_token = true;
    verdict.status = Status::anonymous;
    return true;
}

}  // namespace

[[gnu::hot]] bool read_token(const LocationConf& conf, Visit& visit) {
    if (visit.verdict.by_bearer) {
        return read_bearer(visit.main->arrival.bearer, visit.verdict);
    }
    if (visit.main->outbox.empty()) {
        // first_cookie() does not check the value, but whatever the memo has
        // was checked by find_cookie() when it was stored.
        const auto sent = phoenix::first_cookie(
            view(visit.main->arrival.cookies), conf.cookies->session->name);
        if (sent && recall(*sent, conf, visit.verdict)) {
            return true;
        }
    }
    return read_new_token(conf, visit);
}

phoenix::SessionCookie open_session(const Visit& visit,
                                    const Cookies& cookies) {
    return phoenix::read_session_cookie(
        cookies.session_sealer, cookie_named(visit, cookies.session->name));
}

phoenix::Session session_of(const Visit& visit) {
    const Cookies* cookies = visit.verdict.cookies;
    return cookies == nullptr || visit.verdict.by_bearer
               ? phoenix::Session()
               : open_session(visit, *cookies).session;
}

std::string_view stored_token(const Verdict& verdict) {
    if (verdict.source->kind == postgres::LayoutKind::phx_gen_auth) {
        return view(verdict.token);
    }
    return {verdict.token_hash.data(), verdict.token_hash.size()};
}

std::string stored_token(const Source& source, std::string_view token) {
    if (source.kind == postgres::LayoutKind::phx_gen_auth) {
        return std::string(token);
    }
    const phoenix::Sha256 hash = phoenix::sha256(token);
    return {hash.data(), hash.size()};
}

std::string remembered_token(const LocationConf& conf, const Visit& visit) {
    Status ignored = Status::none;
    return read_remember_me_token(visit, *conf.cookies, conf.source->form,
                                  ignored);
}

}  // namespace sigra::nginx
