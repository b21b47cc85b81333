#include "nginx/gate/response.hpp"

#include "nginx/gate/answer.hpp"
#include "nginx/gate/request.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/csrf.hpp"
#include "phoenix/remember_me.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_set_cookie = 4096;

bool is_secure(ngx_http_request_t* r, const LocationConf& conf,
               const std::string& name, const std::string& same_site) {
    if (name.starts_with("__Host-") || name.starts_with("__Secure-") ||
        same_site == "None") {
        return true;
    }
    if (conf.secure == secure_auto) {
        return r->connection->ssl != nullptr;
    }
    return conf.secure == secure_on;
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

bool error_page_answers(ngx_http_request_t* r, ngx_int_t status) {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    if (core->error_pages == nullptr ||
        (r->error_page && !core->recursive_error_pages)) {
        return false;
    }
    auto* pages = static_cast<ngx_http_err_page_t*>(core->error_pages->elts);
    for (ngx_uint_t i = 0; i < core->error_pages->nelts; i++) {
        if (pages[i].status == status) {
            return true;
        }
    }
    return false;
}

bool satisfies_all(ngx_http_request_t* r) {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_get_module_loc_conf(r, ngx_http_core_module));
    return core->satisfy == NGX_HTTP_SATISFY_ALL;
}

ngx_int_t unauthorized(ngx_http_request_t* r) {
    if (r != r->main || !satisfies_all(r) ||
        error_page_answers(r, NGX_HTTP_UNAUTHORIZED)) {
        return NGX_HTTP_UNAUTHORIZED;
    }
    // In the access phase an answer is finalized here: its result would read as
    // the phase's verdict.
    ngx_http_finalize_request(
        r, send_error(r, NGX_HTTP_UNAUTHORIZED, must_log_in));
    return NGX_DONE;
}

ngx_int_t redirect_to_login(ngx_http_request_t* r, const LocationConf& conf,
                            Visit& visit, phoenix::Session& session) {
    if (is_worth_returning_to(r)) {
        session.put(conf.source->keys.return_to, view(r->unparsed_uri));
    }
    // A prefetch's answer that comes after a login's would undo it.
    if (!is_prefetch(r)) {
        write_session(r, conf, visit, session);
    }
    // Not headers_out.location: nginx would make it absolute, with the host
    // that the client named.
    return push_header(r, "Location", view(conf.login_url))
               ? NGX_HTTP_MOVED_TEMPORARILY
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

bool answers_with_status(ngx_http_request_t* r, const LocationConf& conf) {
    if (r != r->main || conf.unauthenticated == unauthenticated_status) {
        return true;
    }
    return conf.unauthenticated == unauthenticated_auto && is_program(r);
}

}  // namespace

[[gnu::hot]] bool push_header(ngx_http_request_t* r, std::string_view key,
                              std::string_view value) {
    auto* header =
        static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header == nullptr) {
        return false;
    }
    *header = ngx_table_elt_t{};
    header->key = as_ngx_str(key);
    header->value = as_ngx_str(value);
    header->hash = 1;
    return true;
}

bool add_header(ngx_http_request_t* r, std::string_view key,
                std::string_view value) {
    const ngx_str_t kept = copy(r->pool, value);
    return kept.data != nullptr && push_header(r, key, view(kept));
}

void write_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit, phoenix::Session& session) {
    std::string header = session_header(r, conf, session);
    if (header.size() > max_set_cookie) {
        session.erase_flash("email");
        header = session_header(r, conf, session);
    }
    if (header.size() > max_set_cookie) {
        session.erase(conf.source->keys.return_to);
        header = session_header(r, conf, session);
    }
    if (header.empty() || header.size() > max_set_cookie) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_sigra: the session of %uz bytes does not fit in a "
                      "cookie and was not written",
                      header.size());
        return;
    }
    visit.set_session = copy(r->pool, header);
    // A page that this answer carries speaks of the session that the browser
    // will have: its form is to hold that one's CSRF token.
    visit.session_payload = copy(r->pool, session.encode());
    visit.session_sealed = false;
}

void write_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit, std::string_view token) {
    const RememberMeCookie& cookie = *conf.remember_cookie;
    if (!cookie.enabled) {
        return;
    }
    phoenix::CookieAttributes attributes = remember_me_attributes(r, conf);
    ngx_time_t* now = ngx_timeofday();
    std::string payload = phoenix::write_remember_me(
        phoenix::token_to_cookie(token, conf.source->form),
        static_cast<std::int64_t>(now->sec) * 1000 + now->msec,
        *attributes.max_age);
    std::string value = conf.cookies->remember_sealer.seal(payload);
    if (!value.empty()) {
        visit.set_remember =
            copy(r->pool,
                 phoenix::set_cookie(cookie.name, value, attributes, now->sec));
    }
}

void clear_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit) {
    const RememberMeCookie& cookie = *conf.remember_cookie;
    if (cookie.enabled) {
        visit.set_remember =
            copy(r->pool, phoenix::clear_cookie(
                              cookie.name, remember_me_attributes(r, conf)));
    }
}

void clear_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit) {
    visit.set_session =
        copy(r->pool, phoenix::clear_cookie(conf.session_cookie->name,
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

ngx_int_t answer_anonymous(ngx_http_request_t* r, const LocationConf& conf,
                           Visit& visit) {
    visit.answered_here = true;
    if (answers_with_status(r, conf)) {
        return unauthorized(r);
    }
    phoenix::Session session = session_of(visit);
    session.put_flash("error", must_log_in);
    return redirect_to_login(r, conf, visit, session);
}

ngx_int_t answer_not_fresh(ngx_http_request_t* r, const LocationConf& conf,
                           Visit& visit) {
    visit.answered_here = true;
    if (answers_with_status(r, conf)) {
        return NGX_HTTP_FORBIDDEN;
    }
    phoenix::Session session = session_of(visit);
    session.put_true(phoenix::sudo_key);
    return redirect_to_login(r, conf, visit, session);
}

ngx_int_t answer_unavailable(ngx_http_request_t* r, Visit& visit) {
    visit.answered_here = true;
    return r != r->main ? NGX_HTTP_SERVICE_UNAVAILABLE : unavailable(r);
}

}  // namespace sigra::nginx
