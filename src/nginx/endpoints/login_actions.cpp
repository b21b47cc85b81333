// What the steps of a login do; login.cpp has their order.
#include <algorithm>
#include <utility>

#include "nginx/counters.hpp"
#include "nginx/endpoints/login.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;
constexpr std::size_t max_user_agent = 255;
// A refusal after a check that took longer than the floor is sent at the next
// multiple of the floor, so that its time does not tell what the check took.
// Beyond this many it does: the machine is that slow.
constexpr ngx_msec_t max_floors = 4;
// After so long a wait for a thread, nobody is interested in the result.
constexpr ngx_msec_t max_check_ms = 60'000;

postgres::Parameter text(std::string_view value) {
    return {std::string(value)};
}

}  // namespace

bool Login::has_place() {
    Worker* w = worker();
    if (!place_ && w != nullptr) {
        place_ = w->password_checks().take_place(*conf_.password_checks);
    }
    if (!place_) {
        result_ = LoginResult::busy;
    }
    return static_cast<bool>(place_);
}

bool Login::counts_attempts() const {
    return conf_.lockout != nullptr && conf_.lockout->threshold != 0;
}

// A right password resets the count of attempts, also where the application
// logs the user in.
bool Login::forgive() {
    return ask(postgres::Statement::forgive,
               {text(user_.id), text(hash_), postgres::Parameter{}});
}

// After an error of the server or of this module, takes back the attempt that
// was counted. The request does not wait for it.
void Login::give_back() {
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*conf_.source->database);
    if (!std::exchange(counted_, false) || pool == nullptr) {
        return;
    }
    postgres::Query query;
    query.layout = conf_.source->layout;
    query.statement = postgres::Statement::forgive;
    query.parameters = {text(user_.id), text(hash_),
                        verdict_.check == phoenix::PasswordCheck::matches
                            ? postgres::Parameter{}
                            : text(std::to_string(conf_.lockout->threshold))};
    query.done = [](postgres::Outcome&&) {};
    pool->submit(std::move(query));
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

// True: there is exactly one user, not locked, and the password is to be
// checked.
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

// Does the same work whether or not the user exists.
bool Login::check() {
    Worker* w = worker();
    if (w == nullptr) {
        return false;
    }
    PasswordTask task;
    verdict_ = {};
    const bool one = found(user_);
    counted_ = one && counts_attempts();
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
// `?_action=password_updated`, and the application does something of its own
// then. The password is checked here all the same, so that the lockout still
// applies.
bool Login::is_for_application() const {
    ngx_str_t action{};
    ngx_str_t name = ngx_string("_action");
    return !conf_.endpoint->fallback.empty() &&
           ngx_http_arg(r_, name.data, name.len, &action) == NGX_OK;
}

// Whether the application, to which the request may be passed on, could read
// another password than the one that is checked here, or one where none was
// found. That would get past the lockout and the second factor. Phoenix merges
// the query into the body's fields, and takes the first of equal names in JSON.
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

// Whether the layout has rows for users who still need a second factor.
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

// Passes the request on to the application, as if nginx had not answered it.
ngx_int_t Login::hand_over() {
    ngx_str_t name = copy(r_->pool, conf_.endpoint->fallback);
    if (name.data == nullptr) {
        return server_error;
    }
    reason_ = {};
    note(form_.password && !is_for_application() ? LoginResult::second_factor
                                                 : LoginResult::fallback);
    visit_.answered_here = false;
    leave();
    r_->read_event_handler = ngx_http_block_reading;
    return ngx_http_named_location(r_, &name);
}

// Waits until the refusal is due. False: it is due now.
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
