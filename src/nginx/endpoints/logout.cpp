#include "nginx/endpoints/logout.hpp"

#include "nginx/counters.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/token.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/login_page.hpp"

namespace sigra::nginx {
namespace {

// `_method` in a form; a form without it logs out too.
bool is_log_out(std::string_view method) {
    return method.empty() || equal_ignoring_case(method, "delete") ||
           equal_ignoring_case(method, "post");
}

// For a log-out whose client has left before its outcome came.
void log_out_unheard(const postgres::Outcome& outcome) {
    if (outcome.status == postgres::Status::ok) {
        revoke_rows(outcome.rows);
    }
}

}  // namespace

Exchange::Result Logout::advance() {
    for (;;) {
        switch (step_) {
            case Step::parse: {
                phoenix::LoginForm form;
                if (Result refusal = read_checked_form(form)) {
                    if (!is_own_old_form(refusal)) {
                        return refusal;
                    }
                    step_ = Step::old_form;
                    break;
                }
                if (!is_log_out(form.method)) {
                    return not_allowed(r_, "POST, DELETE");
                }
                step_ =
                    conf_.endpoint->everywhere ? Step::identify : Step::remove;
                break;
            }
            case Step::identify:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return still_alive(cause_of(visit_.verdict));
                    case Decision::two_cookies:
                    case Decision::internal_error:
                        return NGX_HTTP_INTERNAL_SERVER_ERROR;
                    case Decision::anonymous:
                    case Decision::pass:
                    case Decision::forbidden:
                    case Decision::not_fresh:
                        break;
                }
                step_ = Step::remove;
                break;
            case Step::remove:
                if (!visit_.verdict.has_token &&
                    remembered_token(conf_, visit_).empty()) {
                    step_ = Step::answer;
                    break;
                }
                step_ = Step::removing;
                if (!remove()) {
                    return still_alive(failure());
                }
                return waiting;
            case Step::removing:
                if (!succeeded()) {
                    return still_alive(failure());
                }
                step_ = Step::answer;
                break;
            case Step::answer:
                return say_goodbye();
            case Step::old_form:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return not_identified();
                    case Decision::anonymous:
                        return end_prefetches(r_)
                                   ? redirect(r_, view(conf_.logged_out_url))
                                   : NGX_HTTP_INTERNAL_SERVER_ERROR;
                    case Decision::pass:
                    case Decision::forbidden:
                    case Decision::not_fresh:
                        return NGX_HTTP_FORBIDDEN;
                    case Decision::two_cookies:
                    case Decision::internal_error:
                        break;
                }
                return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }
}

// The remember-me cookie may have a row of its own, which is still to be
// deleted.
void Logout::leave_after_end() {
    step_ =
        remembered_token(conf_, visit_).empty() ? Step::answer : Step::remove;
}

std::string Logout::session_token() const {
    return std::string(visit_.verdict.has_token &&
                               !visit_.verdict.from_remember_me
                           ? view(visit_.verdict.token)
                           : "");
}

bool Logout::remove() {
    const postgres::Parameter session = stored(session_token());
    const postgres::Parameter remember =
        stored(remembered_token(conf_, visit_));
    if (conf_.endpoint->everywhere && visit_.verdict.identified) {
        return ask(
            postgres::Statement::logout_everywhere,
            {{std::string(view(visit_.verdict.looked_up.identity.user_id))},
             session,
             remember},
            log_out_unheard);
    }
    return ask(postgres::Statement::logout,
               {session, remember, ttl(), remember_me_ttl()}, log_out_unheard);
}

ngx_int_t Logout::still_alive(Counter cause) {
    count(cause);
    if (visit_.verdict.has_token) {
        bar(visit_.verdict.token_hash);
    }
    if (std::string token = remembered_token(conf_, visit_); !token.empty()) {
        bar(phoenix::sha256(token));
    }
    if (!set_header(r_, "Retry-After", "2")) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (answers_json()) {
        return send_error(r_, NGX_HTTP_SERVICE_UNAVAILABLE,
                          &phoenix::Messages::still_logged_in);
    }
    const phoenix::Messages& texts = messages_for(r_);
    return send_page(r_, NGX_HTTP_SERVICE_UNAVAILABLE,
                     phoenix::login_page_policy({}),
                     phoenix::render_notice(texts, texts.still_logged_in_title,
                                            texts.still_logged_in));
}

ngx_int_t Logout::say_goodbye() {
    count(Counter::logout);
    if (visit_.verdict.identified) {
        ngx_log_error(NGX_LOG_INFO, r_->connection->log, 0,
                      "auth_sigra: log-out of user %V",
                      &visit_.verdict.looked_up.identity.user_id);
    } else if (visit_.verdict.has_token) {
        const std::string hash =
            phoenix::hex_encode({visit_.verdict.token_hash.data(), 8});
        ngx_str_t session = as_ngx_str(std::string_view(hash));
        ngx_log_error(NGX_LOG_INFO, r_->connection->log, 0,
                      "auth_sigra: log-out of session %V", &session);
    }
    revoke_replaced(conf_, visit_);
    revoke_rows(rows());
    clear_remember_me(r_, conf_, visit_);
    if (!end_prefetches(r_)) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
    if (answers_json()) {
        clear_session(r_, conf_, visit_);
        return no_content(r_);
    }
    phoenix::Session session;
    session.put_flash("info",
                      say(r_, conf_.endpoint->everywhere
                                  ? &phoenix::Messages::logged_out_everywhere
                                  : &phoenix::Messages::logged_out));
    if (!write_session(r_, conf_, visit_, session)) {
        clear_session(r_, conf_, visit_);
    }
    return redirect(r_, view(conf_.logged_out_url));
}

}  // namespace sigra::nginx
