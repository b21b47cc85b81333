#include "nginx/endpoints/login.hpp"

#include "nginx/debug.hpp"
#include "nginx/endpoints/login_log.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/worker.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

}  // namespace

Login::Login(ngx_http_request_t* r, const LocationConf& conf, Visit& visit)
    : Exchange(r, conf, visit) {}

Login::~Login() {
    PasswordChecks::detach(waiter_);
}

void Login::leave() noexcept {
    place_.give_back();
    PasswordChecks::detach(waiter_);
    Exchange::leave();
}

Exchange::Result Login::advance() {
    Result result = proceed();
    if (result) {
        tell_of(*result);
    }
    return result;
}

ngx_int_t Login::late() {
    const ngx_int_t answer = step_ == Step::checking
                                 ? unavailable(r_, Counter::unavailable_checks)
                                 : Exchange::late();
    tell_of(answer);
    return answer;
}

// A result that no step has set follows from the status of the response.
void Login::tell_of(ngx_int_t answer) {
    if (result_ == LoginResult::none) {
        switch (answer) {
            case NGX_HTTP_FORBIDDEN:
                result_ = LoginResult::csrf;
                break;
            case NGX_HTTP_BAD_REQUEST:
            case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
            case NGX_HTTP_UNSUPPORTED_MEDIA_TYPE:
                result_ = LoginResult::malformed;
                break;
            default:
                result_ = LoginResult::error;
                break;
        }
    }
    if (answer >= NGX_HTTP_INTERNAL_SERVER_ERROR) {
        give_back();
    }
    note(result_);
}

// Called before the response is sent, whose headers may have the variables in
// them.
void Login::note(LoginResult result) {
    result_ = result;
    tell(r_, visit_, {result_, reason_, form_.email, user_.id, user_.email});
}

std::string_view Login::name_of(Step step) {
    switch (step) {
        case Step::parse:
            return "the form";
        case Step::identify:
            return "who is logged in already";
        case Step::find:
            return "look for the user";
        case Step::finding:
            return "the user's row";
        case Step::checking:
            return "the password was checked";
        case Step::forgiving:
            return "the count of attempts";
        case Step::elsewhere:
            return "the application goes on";
        case Step::insert:
            return "a new session";
        case Step::inserting:
            return "the new row";
        case Step::refuse:
            return "refused";
        case Step::holding:
            return "the refusal's time";
        case Step::old_form:
            return "a form of an older session";
    }
    return "";
}

Exchange::Result Login::proceed() {
    for (;;) {
        if (debugs(r_)) {
            debug(r_, "login: " + std::string(name_of(step_)));
        }
        switch (step_) {
            case Step::parse:
                if (Result refusal = read_checked_form(form_)) {
                    wipe_body();
                    if (!is_own_old_form(refusal)) {
                        return refusal;
                    }
                    step_ = Step::old_form;
                    result_ = LoginResult::csrf;
                    break;
                }
                if (!conf_.endpoint->fallback.empty() &&
                    may_be_read_otherwise()) {
                    wipe_body();
                    return NGX_HTTP_BAD_REQUEST;
                }
                if (!form_.password && !conf_.endpoint->fallback.empty()) {
                    return hand_over();
                }
                if (conf_.endpoint->fallback.empty()) {
                    wipe_body();
                }
                // Before a query is sent or an attempt is counted.
                if (form_.password && !has_place()) {
                    return unavailable(r_, Counter::unavailable_checks);
                }
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
                    case Decision::internal_error:
                        return server_error;
                    case Decision::anonymous:
                    case Decision::pass:
                    case Decision::forbidden:
                    case Decision::not_fresh:
                        break;
                }
                step_ = form_.password ? Step::find : Step::refuse;
                break;
            case Step::find:
                if (!has_place()) {
                    return unavailable(r_, Counter::unavailable_checks);
                }
                known_email_ = form_.email && phoenix::is_text(*form_.email);
                if (known_email_) {
                    step_ = Step::finding;
                    if (!find()) {
                        return not_done();
                    }
                    return waiting;
                }
                if (!check()) {
                    return unavailable(r_, Counter::unavailable_checks);
                }
                return waiting;
            case Step::finding:
                if (!succeeded()) {
                    return not_done();
                }
                if (!check()) {
                    return unavailable(r_, Counter::unavailable_checks);
                }
                return waiting;
            case Step::checking:
                log_problem(verdict_.check);
                if (verdict_.check != phoenix::PasswordCheck::matches) {
                    step_ = Step::refuse;
                    break;
                }
                if (!is_for_application() &&
                    (!user_.second_factor || stores_pending())) {
                    step_ = Step::insert;
                    break;
                }
                if (!counts_attempts()) {
                    step_ = Step::elsewhere;
                    break;
                }
                step_ = Step::forgiving;
                if (!forgive()) {
                    return not_done();
                }
                return waiting;
            case Step::forgiving:
                if (!succeeded()) {
                    return not_done();
                }
                step_ = Step::elsewhere;
                break;
            case Step::elsewhere:
                if (!conf_.endpoint->fallback.empty()) {
                    return hand_over();
                }
                reason_ = "second factor";
                step_ = Step::refuse;
                break;
            case Step::insert:
                if (!seal_cookies()) {
                    return server_error;
                }
                if (!insert()) {
                    return not_done();
                }
                step_ = Step::inserting;
                return waiting;
            case Step::inserting:
                if (!succeeded()) {
                    return not_done();
                }
                // Another login has stored a better hash since, the password
                // was changed, or the user was deleted.
                if (rows().empty()) {
                    step_ = std::exchange(again_, true) ||
                                    !conf_.password_hash->cost
                                ? Step::refuse
                                : Step::find;
                    break;
                }
                wipe_body();
                note(user_.second_factor ? LoginResult::second_factor
                                         : LoginResult::ok);
                return user_.second_factor ? ask_second_factor() : welcome();
            case Step::refuse:
                wipe_body();
                step_ = Step::holding;
                if (hold()) {
                    return waiting;
                }
                break;
            case Step::holding:
                note(reason_ == "locked" ? LoginResult::locked
                                         : LoginResult::refused);
                return refuse();
            case Step::old_form:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return not_identified();
                    case Decision::anonymous:
                        return ask_again();
                    case Decision::pass:
                    case Decision::forbidden:
                    case Decision::not_fresh:
                        return redirect(r_, target());
                    case Decision::two_cookies:
                    case Decision::internal_error:
                        break;
                }
                return server_error;
        }
    }
}

}  // namespace sigra::nginx
