#include "nginx/gate/outbox.hpp"

#include <algorithm>
#include <new>

#include "nginx/debug.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/csrf.hpp"
#include "phoenix/remember_me.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_set_cookie = 4096;

// What $https or a proxy's X-Forwarded-Proto says of a TLS connection.
bool is_yes(ngx_http_request_t* r, const ngx_http_complex_value_t& variable) {
    ngx_str_t value{};
    if (ngx_http_complex_value(r,
                               const_cast<ngx_http_complex_value_t*>(&variable),
                               &value) != NGX_OK) {
        throw std::bad_alloc();
    }
    return equal_ignoring_case(view(value), "https") ||
           equal_ignoring_case(view(value), "on") || view(value) == "1";
}

bool is_secure(ngx_http_request_t* r, const LocationConf& conf,
               const std::string& name, const std::string& same_site) {
    if (name.starts_with("__Host-") || name.starts_with("__Secure-") ||
        same_site == "None") {
        return true;
    }
    return is_https(r, conf);
}

phoenix::CookieAttributes attributes_of(ngx_http_request_t* r,
                                        const LocationConf& conf,
                                        const std::string& name,
                                        const std::string& path,
                                        const std::string& same_site) {
    phoenix::CookieAttributes attributes;
    attributes.path = path;
    attributes.domain = view(conf.cookie_domain);
    attributes.same_site = same_site;
    attributes.secure = is_secure(r, conf, name, same_site);
    return attributes;
}

phoenix::CookieAttributes session_attributes(ngx_http_request_t* r,
                                             const LocationConf& conf) {
    const SessionCookie& cookie = *conf.session_cookie;
    phoenix::CookieAttributes attributes =
        attributes_of(r, conf, cookie.name, cookie.path, cookie.same_site);
    attributes.max_age = cookie.max_age;
    return attributes;
}

phoenix::CookieAttributes remember_me_attributes(ngx_http_request_t* r,
                                                 const LocationConf& conf) {
    const RememberMeCookie& cookie = *conf.remember_cookie;
    phoenix::CookieAttributes attributes =
        attributes_of(r, conf, cookie.name, cookie.path, cookie.same_site);
    attributes.max_age = cookie.max_age.value_or(conf.ttl->remember_me_s);
    return attributes;
}

std::string session_header(ngx_http_request_t* r, const LocationConf& conf,
                           const phoenix::Session& session) {
    std::string value = conf.cookies->session_sealer.seal(session.encode());
    if (value.empty()) {
        return {};
    }
    return phoenix::set_cookie(conf.session_cookie->name, value,
                               session_attributes(r, conf), ngx_time());
}

// Empty: it cannot be signed.
std::string remember_me_header(ngx_http_request_t* r, const LocationConf& conf,
                               std::string_view token) {
    const RememberMeCookie& cookie = *conf.remember_cookie;
    phoenix::CookieAttributes attributes = remember_me_attributes(r, conf);
    ngx_time_t* now = ngx_timeofday();
    std::string payload = phoenix::write_remember_me(
        phoenix::token_to_cookie(token, conf.source->form),
        static_cast<std::int64_t>(now->sec) * 1000 + now->msec,
        *attributes.max_age);
    std::string value = conf.cookies->remember_sealer.seal(payload);
    return value.empty()
               ? value
               : phoenix::set_cookie(cookie.name, value, attributes, now->sec);
}

bool fits(const std::string& header) {
    return !header.empty() && header.size() <= max_set_cookie;
}

ngx_str_t keep(ngx_pool_t* pool, std::string_view text) {
    const ngx_str_t kept = copy(pool, text);
    if (kept.data == nullptr) {
        throw std::bad_alloc();
    }
    return kept;
}

}  // namespace

bool is_https(ngx_http_request_t* r, const LocationConf& conf) {
    switch (conf.secure) {
        case secure_auto:
            return r->connection->ssl != nullptr;
        case secure_variable:
            return is_yes(r, *conf.secure_value);
        default:
            return conf.secure == secure_on;
    }
}

std::string_view Outbox::Slot::name() const {
    const std::string_view text = view(set_cookie);
    return text.substr(0, text.find('='));
}

std::string_view Outbox::Slot::value() const {
    std::string_view text = view(set_cookie);
    text.remove_prefix(std::min(text.find('=') + 1, text.size()));
    return text.substr(0, text.find(';'));
}

const Outbox::Slot* Outbox::find(std::string_view name) const {
    for (const Slot* slot = first; slot != nullptr; slot = slot->next) {
        if (slot->name() == name) {
            return slot;
        }
    }
    return nullptr;
}

std::optional<std::string> seal_session(ngx_http_request_t* r,
                                        const LocationConf& conf,
                                        const Visit& visit,
                                        phoenix::Session& session) {
    if (open_session(visit, *conf.cookies).state ==
        phoenix::SessionCookie::State::not_understood) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_sigra: the session cookie has a valid signature, "
                      "but its contents are not understood: it was not "
                      "replaced");
        return std::nullopt;
    }
    std::string header = session_header(r, conf, session);
    const auto without = [&](auto&& drop) {
        if (header.size() > max_set_cookie) {
            drop();
            header = session_header(r, conf, session);
        }
    };
    without([&] { session.erase_flash("email"); });
    without([&] { session.erase_flash("info"); });
    without([&] { session.erase(conf.source->keys.return_to); });
    if (!fits(header)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_sigra: the session of %uz bytes does not fit in a "
                      "cookie and was not written",
                      header.size());
        return std::nullopt;
    }
    return header;
}

std::optional<SealedCookies> seal(ngx_http_request_t* r,
                                  const LocationConf& conf, const Visit& visit,
                                  phoenix::Session& session,
                                  std::string_view remember) {
    SealedCookies sealed;
    if (!remember.empty() && conf.remember_cookie->enabled) {
        sealed.remember_me = remember_me_header(r, conf, remember);
        if (!fits(sealed.remember_me)) {
            return std::nullopt;
        }
    }
    auto header = seal_session(r, conf, visit, session);
    if (!header) {
        return std::nullopt;
    }
    sealed.session = *std::move(header);
    return sealed;
}

void put(Visit& visit, std::string_view set_cookie) {
    if (set_cookie.empty()) {
        return;
    }
    ngx_pool_t* pool = visit.request->pool;
    Outbox& outbox = visit.main->outbox;
    const ngx_str_t kept = keep(pool, set_cookie);
    const std::string_view name = Outbox::Slot{kept, nullptr}.name();
    if (debugs(visit.request)) {
        debug(visit.request,
              "the answer sets the cookie \"" + std::string(name) + "\"");
    }
    if (auto* slot = const_cast<Outbox::Slot*>(outbox.find(name))) {
        slot->set_cookie = kept;
        return;
    }
    void* place = ngx_palloc(pool, sizeof(Outbox::Slot));
    if (place == nullptr) {
        throw std::bad_alloc();
    }
    outbox.first = new (place) Outbox::Slot{kept, outbox.first};
}

void put(Visit& visit, const SealedCookies& cookies) {
    put(visit, cookies.remember_me);
    put(visit, cookies.session);
}

void take_out(Visit& visit, std::string_view name) {
    Outbox::Slot** place = &visit.main->outbox.first;
    while (*place != nullptr && (*place)->name() != name) {
        place = &(*place)->next;
    }
    if (*place != nullptr) {
        *place = (*place)->next;
    }
}

bool write_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit, phoenix::Session& session) {
    const auto header = seal_session(r, conf, visit, session);
    if (header) {
        put(visit, *header);
    }
    return header.has_value();
}

void clear_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit) {
    const RememberMeCookie& cookie = *conf.remember_cookie;
    if (cookie.enabled) {
        put(visit, phoenix::clear_cookie(cookie.name,
                                         remember_me_attributes(r, conf)));
    }
}

void clear_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit) {
    put(visit, phoenix::clear_cookie(conf.session_cookie->name,
                                     session_attributes(r, conf)));
}

bool ensure_csrf_state(phoenix::Session& session) {
    const auto state = session.binary(phoenix::csrf_key);
    if (state && phoenix::is_csrf_state(*state)) {
        return false;
    }
    session.put(phoenix::csrf_key, phoenix::new_csrf_state());
    return true;
}

}  // namespace sigra::nginx
