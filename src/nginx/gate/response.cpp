#include "nginx/gate/response.hpp"

#include "nginx/counters.hpp"

#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/return_to.hpp"
#include "nginx/gate/token.hpp"

namespace sigra::nginx {
namespace {

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

// Refuses with a JSON body, unless an error page or `satisfy any` takes over.
ngx_int_t refuse(ngx_http_request_t* r, ngx_int_t status, Text text) {
    if (r != r->main || !satisfies_all(r) || error_page_answers(r, status)) {
        return status;
    }
    // The request is finalized here: as the result of the access phase, nginx
    // would take the return value for a verdict.
    ngx_http_finalize_request(
        r, send_error(r, static_cast<ngx_uint_t>(status), text));
    return NGX_DONE;
}

// auth_sigra_verify is asked with GET, whatever the forwarded request's method.
bool reads(ngx_http_request_t* r, const LocationConf& conf) {
    return conf.verify == nullptr ? is_get_or_head(r)
                                  : forwarded_request(r, conf).reads;
}

bool is_strict(const LocationConf& conf) {
    return conf.session_cookie->same_site == "Strict";
}

ngx_int_t redirect_to_login(ngx_http_request_t* r, const LocationConf& conf,
                            Visit& visit, phoenix::Session& session) {
    if (keeps_return_to(r, conf)) {
        session.put(conf.source->keys.return_to, path_to_return_to(r, conf));
    }
    const bool hidden = visit.verdict.identified
                            ? is_session_held_back(r, conf, visit)
                            : may_hide_session(r, conf);
    // The response to a prefetch may come after that to a login and undo it.
    const bool written =
        !is_prefetch(r) && !hidden && write_session(r, conf, visit, session);
    // A logged-in user sees the login form only because the session says so. If
    // that was not written, the login page would redirect straight back here,
    // so it is not told where to return to.
    const std::string return_to = visit.verdict.identified && !written
                                      ? std::string()
                                      : return_to_of(r, conf);
    // headers_out.location is not set: nginx would make it absolute, with the
    // host that the client named.
    return set_header(r, "Location", login_url(conf, return_to))
               ? NGX_HTTP_MOVED_TEMPORARILY
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

bool answers_with_status(ngx_http_request_t* r, const LocationConf& conf,
                         const Verdict& verdict) {
    if (r != r->main || verdict.by_bearer ||
        conf.unauthenticated == unauthenticated_status) {
        return true;
    }
    return conf.unauthenticated == unauthenticated_auto && is_program(r);
}

}  // namespace

bool may_hide_session(ngx_http_request_t* r, const LocationConf& conf) {
    return !reads(r, conf) || (is_strict(conf) && is_from_another_site(r));
}

bool is_session_held_back(ngx_http_request_t* r, const LocationConf& conf,
                          const Visit& visit) {
    return is_from_another_site(r) &&
           (is_strict(conf) ||
            (conf.session_cookie->same_site != "None" && !reads(r, conf))) &&
           open_session(visit, *conf.cookies).state ==
               phoenix::SessionCookie::State::absent;
}

[[gnu::hot]] ngx_table_elt_t* push_header(ngx_http_request_t* r,
                                          std::string_view key,
                                          std::string_view value) {
    auto* header =
        static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
    if (header != nullptr) {
        *header = ngx_table_elt_t{};
        header->key = as_ngx_str(key);
        header->value = as_ngx_str(value);
        header->hash = 1;
    }
    return header;
}

bool add_header(ngx_http_request_t* r, std::string_view key,
                std::string_view value) {
    const ngx_str_t kept = copy(r->pool, value);
    return kept.data != nullptr && push_header(r, key, view(kept)) != nullptr;
}

bool set_header(ngx_http_request_t* r, std::string_view key,
                std::string_view value) {
    for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (equal_ignoring_case(view(headers[i].key), key)) {
                headers[i].hash = 0;
            }
        }
    }
    if (r->headers_out.location != nullptr &&
        r->headers_out.location->hash == 0) {
        // Set by "return" before an error page; nginx would still send it.
        r->headers_out.location = nullptr;
    }
    return add_header(r, key, value);
}

bool end_prefetches(ngx_http_request_t* r) {
    return push_header(r, "Clear-Site-Data",
                       R"("prefetchCache", "prerenderCache")") != nullptr;
}

// RFC 6750.
void set_challenge(const LocationConf& conf, Visit& visit) {
    const Verdict& verdict = visit.verdict;
    if (conf.bearer_source == nullptr) {
        visit.challenge = {};
    } else if (verdict.by_bearer && verdict.status != Status::anonymous) {
        visit.challenge = R"(Bearer error="invalid_token")";
    } else {
        visit.challenge = R"(Bearer realm="auth_sigra")";
    }
}

ngx_int_t answer_anonymous(ngx_http_request_t* r, const LocationConf& conf,
                           Visit& visit) {
    visit.answered_here = true;
    set_challenge(conf, visit);
    if (answers_with_status(r, conf, visit.verdict)) {
        return refuse(r, NGX_HTTP_UNAUTHORIZED, must_log_in);
    }
    phoenix::Session session = session_of(visit);
    session.put_flash("error", say(r, must_log_in));
    return redirect_to_login(r, conf, visit, session);
}

ngx_int_t answer_forbidden(ngx_http_request_t* r, Visit& visit) {
    visit.answered_here = true;
    return r == r->main && (is_program(r) || visit.verdict.by_bearer)
               ? refuse(r, NGX_HTTP_FORBIDDEN, may_not)
               : NGX_HTTP_FORBIDDEN;
}

ngx_int_t answer_not_fresh(ngx_http_request_t* r, const LocationConf& conf,
                           Visit& visit) {
    visit.answered_here = true;
    if (answers_with_status(r, conf, visit.verdict)) {
        return NGX_HTTP_FORBIDDEN;
    }
    phoenix::Session session = session_of(visit);
    // For how many seconds a login counts as fresh here.
    session.put(phoenix::sudo_key, std::to_string(conf.sudo));
    return redirect_to_login(r, conf, visit, session);
}

Counter cause_of(const Verdict& verdict) {
    const LookedUp& looked_up = verdict.looked_up;
    return looked_up.state == LookupResult::State::no_answer
               ? counter_of(Counter::unavailable_timeout, looked_up.failure)
               : Counter::unavailable_error;
}

ngx_int_t answer_unavailable(ngx_http_request_t* r, Visit& visit) {
    visit.answered_here = true;
    const Counter cause = cause_of(visit.verdict);
    if (r == r->main) {
        return unavailable(r, cause);
    }
    count(cause);
    return NGX_HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace sigra::nginx
