#include "nginx/endpoints/renew.hpp"

#include "nginx/gate/answer.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/take_back.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/cookie.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t token_size = 32;

}  // namespace

bool sent_by_upstream(ngx_http_request_t* r) {
    if (r->upstream == nullptr) {
        return false;
    }
    const ngx_table_elt_t* header = r->upstream->headers_in.x_accel_redirect;
    if (header == nullptr || (r->upstream->conf->ignore_headers &
                              NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT) != 0) {
        return false;
    }
    std::string_view path = view(header->value);
    return path.substr(0, path.find('?')) == view(r->uri);
}

Renew::Renew(ngx_http_request_t* r, const LocationConf& conf, Visit& visit)
    : Exchange(r, conf, visit),
      step_(sent_by_upstream(r) ? Step::adopt : Step::parse),
      confirmed_(sent_by_upstream(r)) {}

Exchange::Result Renew::advance() {
    for (;;) {
        switch (step_) {
            case Step::parse: {
                phoenix::LoginForm form;
                if (Result refusal = read_checked_form(form)) {
                    return refusal;
                }
                step_ = Step::identify;
                break;
            }
            case Step::adopt:
                adopt();
                step_ = Step::identify;
                break;
            case Step::identify:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return not_identified();
                    case Decision::two_cookies:
                        return NGX_HTTP_BAD_REQUEST;
                    case Decision::internal_error:
                        return NGX_HTTP_INTERNAL_SERVER_ERROR;
                    case Decision::anonymous:
                        return anonymous();
                    case Decision::pass:
                    case Decision::forbidden:
                    case Decision::not_fresh:
                        break;
                }
                step_ = Step::replace;
                break;
            case Step::replace:
                if (!seal_cookies()) {
                    return NGX_HTTP_INTERNAL_SERVER_ERROR;
                }
                step_ = Step::replacing;
                if (!replace()) {
                    return not_done();
                }
                return waiting;
            case Step::replacing:
                if (!succeeded()) {
                    return lost(failure());
                }
                return rows().empty() ? too_late() : rotated();
        }
    }
}

// nginx has copied the application's Set-Cookie into this response. Its session
// is newer than the one that the client sent. It is sent as it is, unless it is
// renewed.
void Renew::adopt() {
    const std::string& name = conf_.session_cookie->name;
    for (ngx_list_part_t* part = &r_->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            std::string_view value = view(headers[i].value);
            if (headers[i].hash == 0 ||
                !equal_ignoring_case(view(headers[i].key), "set-cookie") ||
                value.substr(0, value.find('=')) != name) {
                continue;
            }
            put(visit_, value);
            visit_.verdict.forget();
            headers[i].hash = 0;
        }
    }
}

// Only then is a new remember-me cookie written, and the old one's row is no
// longer needed.
bool Renew::remembers() const {
    return visit_.verdict.from_remember_me ||
           session_of(visit_).truthy(conf_.source->keys.remember_me);
}

// Called before the statement, after which the old token is no longer valid.
bool Renew::seal_cookies() {
    const phoenix::SessionKeys& keys = conf_.source->keys;
    token_ = phoenix::random_bytes(token_size);
    if (token_.empty()) {
        return false;
    }
    phoenix::Session session = session_of(visit_);
    phoenix::put_token(session, keys, conf_.source->form, token_);
    if (confirmed_ && conf_.endpoint->authenticated) {
        session.erase(phoenix::sudo_key);
    }
    if (visit_.verdict.from_remember_me) {
        session.put_true(keys.remember_me);
        ensure_csrf_state(session);
    }
    auto sealed = seal(r_, conf_, visit_, session,
                       session.truthy(keys.remember_me) ? token_ : "");
    if (!sealed) {
        return false;
    }
    cookies_ = *std::move(sealed);
    return true;
}

bool Renew::replace() {
    const bool authenticated = confirmed_ && conf_.endpoint->authenticated;
    return ask(postgres::Statement::renew,
               {stored(view(visit_.verdict.token)),
                stored(token_),
                stored(remembers() ? remembered_token(conf_, visit_) : ""),
                ttl(),
                remember_me_ttl(),
                {authenticated ? "t" : "f"}},
               [rotation = Rotation{conf_.source,
                                    std::string(view(visit_.verdict.token)),
                                    token_}](const postgres::Outcome& outcome) {
                   take_back(rotation, outcome);
               });
}

ngx_int_t Renew::anonymous() {
    if (wants_json() || is_program(r_)) {
        return send_error(r_, NGX_HTTP_UNAUTHORIZED, must_log_in);
    }
    return send_to_login();
}

// The old token may be gone, so the application's cookie with it must not be
// sent.
ngx_int_t Renew::lost(Counter cause) {
    if (confirmed_) {
        take_out(visit_, conf_.session_cookie->name);
    }
    return unavailable(r_, cause);
}

ngx_int_t Renew::late() {
    return lost(Counter::unavailable_timeout);
}

// Another request was first, and its cookie may be on its way to the same
// browser: this response must not overwrite it.
ngx_int_t Renew::too_late() {
    if (confirmed_) {
        take_out(visit_, conf_.session_cookie->name);
    }
    if (wants_json() || is_program(r_)) {
        return send_error(r_, NGX_HTTP_UNAUTHORIZED, must_log_in);
    }
    return redirect(r_, view(conf_.login_url));
}

ngx_int_t Renew::rotated() {
    revoke_replaced(conf_, visit_);
    put(visit_, cookies_);
    return wants_json() ? send_target(r_, target()) : redirect(r_, target());
}

}  // namespace sigra::nginx
