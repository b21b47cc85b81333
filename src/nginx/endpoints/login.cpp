#include "nginx/endpoints/login.hpp"

#include <algorithm>
#include <utility>

#include "nginx/counters.hpp"
#include "nginx/debug.hpp"
#include "nginx/endpoints/login_log.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;
constexpr std::size_t max_user_agent = 255;
// A check that takes longer than the floor is answered at the next multiple
// of it, so that what it took is not told; a machine that is this slow tells.
constexpr ngx_msec_t max_floors = 4;
// A check that waits for a thread for so long is of no use to anybody.
constexpr ngx_msec_t max_check_ms = 60'000;

postgres::Parameter text(std::string_view value) {
    return {std::string(value)};
}

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
    const ngx_int_t answer = Exchange::late();
    tell_of(answer);
    return answer;
}

// What the steps do not say themselves, the answer's status does.
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
                // Before anything is asked for it, or counted.
                if (form_.password && !has_place()) {
                    return unavailable(r_);
                }
                step_ = Step::identify;
                break;
            case Step::identify:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return unavailable(r_);
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
                    return unavailable(r_);
                }
                known_email_ = form_.email && phoenix::is_text(*form_.email);
                if (known_email_) {
                    step_ = Step::finding;
                    if (!find()) {
                        return unavailable(r_);
                    }
                    return waiting;
                }
                if (!check()) {
                    return unavailable(r_);
                }
                return waiting;
            case Step::finding:
                if (!succeeded() || !check()) {
                    return unavailable(r_);
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
                    return unavailable(r_);
                }
                return waiting;
            case Step::forgiving:
                if (!succeeded()) {
                    return unavailable(r_);
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
                    return unavailable(r_);
                }
                step_ = Step::inserting;
                return waiting;
            case Step::inserting:
                if (!succeeded()) {
                    return unavailable(r_);
                }
                // Meanwhile another login has stored a better hash, another
                // password was set, or the user is gone.
                if (rows().empty()) {
                    step_ = std::exchange(again_, true) ||
                                    !conf_.password_hash->cost
                                ? Step::refuse
                                : Step::find;
                    break;
                }
                wipe_body();
                result_ = user_.second_factor ? LoginResult::second_factor
                                              : LoginResult::ok;
                return user_.second_factor ? ask_second_factor() : welcome();
            case Step::refuse:
                wipe_body();
                step_ = Step::holding;
                if (hold()) {
                    return waiting;
                }
                break;
            case Step::holding:
                result_ = reason_ == "locked" ? LoginResult::locked
                                              : LoginResult::refused;
                return refuse();
            case Step::old_form:
                switch (identify()) {
                    case Decision::ask:
                    case Decision::wait:
                        return waiting;
                    case Decision::no_answer:
                        return unavailable(r_);
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

bool Login::has_place() {
    Worker* w = worker();
    if (!place_ && w != nullptr) {
        place_ = w->password_checks().take_place(*conf_.password_checks);
    }
    if (!place_) {
        result_ = LoginResult::busy;
        count(Counter::unavailable_checks);
    }
    return static_cast<bool>(place_);
}

bool Login::counts_attempts() const {
    return conf_.lockout != nullptr && conf_.lockout->threshold != 0;
}

// A right password begins the count anew, also where another logs him in.
bool Login::forgive() {
    return ask(postgres::Statement::forgive, {text(user_.id), text(hash_)});
}

bool Login::find() {
    const Lockout* lockout = conf_.lockout;
    if (!counts_attempts()) {
        return ask(postgres::Statement::find_user, {text(*form_.email)});
    }
    return ask(postgres::Statement::attempt,
               {text(*form_.email), text(std::to_string(lockout->threshold)),
                text(std::to_string(lockout->duration_s))});
}

// One user, and not locked: whose password is to be looked at.
bool Login::found(postgres::UserRow& user) {
    if (!known_email_ || rows().size() != 1) {
        return false;
    }
    auto row = postgres::read_user(rows().front());
    if (!row) {
        return false;
    }
    user = *std::move(row);
    return user.allowed;
}

// Whoever it is, the same work.
bool Login::check() {
    Worker* w = worker();
    if (w == nullptr) {
        return false;
    }
    PasswordTask task;
    const bool one = found(user_);
    reason_ = one                 ? "wrong password"
              : rows().size() > 1 ? "several users"
              : user_.id.empty()  ? "unknown email"
                                  : "locked";
    if (one) {
        task.hash = user_.hashed_password;
        hash_ = user_.hashed_password.value_or("");
        task.rehash = conf_.password_hash->cost;
    }
    task.password = task.rehash && !again_
                        ? phoenix::Secret(std::string(form_.password->view()))
                        : std::move(*form_.password);
    task.dummy = conf_.password_hash->dummy();
    waiter_.data = this;
    waiter_.wake = [](void* data, const PasswordVerdict& verdict) noexcept {
        auto* login = static_cast<Login*>(data);
        login->verdict_ = verdict;
        login->resume(/*in_time=*/true);
    };
    step_ = Step::checking;
    place_.give_back();
    expect_within(max_check_ms);
    return w->password_checks().submit(std::move(task), *conf_.password_checks,
                                       conf_.password_threads, waiter_) ==
           PasswordChecks::Admission::accepted;
}

void Login::log_problem(phoenix::PasswordCheck check) {
    std::string_view problem = phoenix::problem_of(check);
    if (problem.empty()) {
        return;
    }
    ngx_str_t id = as_ngx_str(std::string_view(user_.id));
    ngx_str_t text = as_ngx_str(problem);
    ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0,
                  "auth_sigra: user %V: %V", &id, &text);
}

// The pages that mix phx.gen.auth generates post to `?_action=registered` and
// `?_action=password_updated`: what the application does then is its own. The
// password was checked all the same, so that nobody gets past the lockout.
bool Login::is_for_application() const {
    ngx_str_t action{};
    ngx_str_t name = ngx_string("_action");
    return !conf_.endpoint->fallback.empty() &&
           ngx_http_arg(r_, name.data, name.len, &action) == NGX_OK;
}

// By the application that it may be handed over to: another password than the
// one that is checked here, or one where none is seen, would get past the
// lockout and the second factor. Phoenix merges the query into the body's
// fields, and takes the first of JSON's equal names.
bool Login::may_be_read_otherwise() const {
    if (form_.ambiguous) {
        return true;
    }
    const auto query =
        phoenix::read_form(view(r_->args), phoenix::FormType::urlencoded,
                           conf_.schema->layout.singular);
    const auto* fields = std::get_if<phoenix::LoginForm>(&query);
    return fields == nullptr || fields->has_password;
}

// A row that is not logged in yet says who waits for his second factor.
bool Login::stores_pending() const {
    return conf_.source->kind == postgres::LayoutKind::sigra_sessions;
}

bool Login::insert() {
    std::string_view replaced =
        visit_.verdict.has_token && !visit_.verdict.from_remember_me
            ? view(visit_.verdict.token)
            : "";
    std::vector<postgres::Parameter> parameters = {
        text(user_.id),
        text(hash_),
        stored(token_),
        stored(replaced),
        stored(remembered_token(conf_, visit_)),
        ttl(),
        remember_me_ttl(),
        verdict_.new_hash.empty() ? postgres::Parameter{}
                                  : text(verdict_.new_hash)};
    if (stores_pending()) {
        std::string_view agent = find_header(r_, "user-agent").value_or("");
        parameters.push_back(text(type()));
        parameters.push_back(text(view(r_->connection->addr_text)));
        parameters.push_back(
            phoenix::is_text(agent)
                ? text(phoenix::first_characters(agent, max_user_agent))
                : postgres::Parameter{});
    }
    return ask(postgres::Statement::login, std::move(parameters));
}

// To the application, as if it had been asked in the first place.
ngx_int_t Login::hand_over() {
    ngx_str_t name = copy(r_->pool, conf_.endpoint->fallback);
    if (name.data == nullptr) {
        return server_error;
    }
    result_ = form_.password && !is_for_application()
                  ? LoginResult::second_factor
                  : LoginResult::fallback;
    reason_ = {};
    visit_.answered_here = false;
    leave();
    r_->read_event_handler = ngx_http_block_reading;
    return ngx_http_named_location(r_, &name);
}

// False where the time has come.
bool Login::hold() {
    const ngx_msec_t floor = conf_.password_checks->floor_ms;
    const ngx_msec_t taken = ngx_current_msec - arrived_;
    const ngx_msec_t due =
        floor == 0 ? 0 : std::min((taken / floor + 1), max_floors) * floor;
    if (due <= taken) {
        return false;
    }
    wait(due - taken);
    return true;
}

}  // namespace sigra::nginx
