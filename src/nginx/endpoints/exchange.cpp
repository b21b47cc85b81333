#include "nginx/endpoints/exchange.hpp"

#include <openssl/crypto.h>

#include <utility>

#include "nginx/endpoints/origin.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"
#include "phoenix/csrf.hpp"
#include "phoenix/percent.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

template <class Each>
void each_buffer(ngx_http_request_t* r, Each&& each) {
    if (r->request_body == nullptr) {
        return;
    }
    for (ngx_chain_t* link = r->request_body->bufs; link != nullptr;
         link = link->next) {
        each(*link->buf);
    }
}

std::string text_of(std::int64_t number) {
    return std::to_string(number);
}

}  // namespace

void log_forbidden(ngx_http_request_t* r, Endpoint::Kind kind,
                   const char* why) {
    const std::string directive = directive_of(kind);
    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "auth_sigra: %s answers 403: %s", directive.c_str(), why);
}

Exchange::Exchange(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit)
    : r_(r),
      conf_(conf),
      visit_(visit),
      tie_(std::make_shared<Tie>(Tie{this, nullptr})),
      question_(visit, this,
                [](void* data) noexcept {
                    static_cast<Exchange*>(data)->resume(/*in_time=*/true);
                }),
      pause_(r, this,
             [](void* data) noexcept {
                 static_cast<Exchange*>(data)->resume(/*in_time=*/true);
             }),
      deadline_(r, this, [](void* data) noexcept {
          static_cast<Exchange*>(data)->resume(/*in_time=*/false);
      }) {}

ngx_int_t Exchange::begin(bool with_body) {
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(r_, 0);
    if (cleanup == nullptr) {
        return server_error;
    }
    cleanup->data = this;
    cleanup->handler = request_goes;
    if (!with_body) {
        ngx_int_t rc = ngx_http_discard_request_body(r_);
        if (rc != NGX_OK) {
            return rc;
        }
        r_->main->count++;
        go_on();
        return NGX_DONE;
    }
    r_->request_body_in_single_buf = 1;
    ngx_int_t rc = ngx_http_read_client_request_body(r_, body_read);
    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}

// The first one found is the newest, if a location has passed the request on to
// another endpoint.
void Exchange::body_read(ngx_http_request_t* r) noexcept {
    for (ngx_http_cleanup_t* c = r->main->cleanup; c != nullptr; c = c->next) {
        if (c->handler == request_goes) {
            static_cast<Exchange*>(c->data)->go_on();
            return;
        }
    }
}

void Exchange::request_goes(void* data) noexcept {
    static_cast<Exchange*>(data)->leave();
}

void Exchange::leave() noexcept {
    tie_->exchange = nullptr;
    question_.leave();
    pause_.stop();
    deadline_.stop();
}

ngx_int_t Exchange::late() {
    return unavailable(r_, Counter::unavailable_timeout);
}

ngx_int_t Exchange::not_identified() {
    return unavailable(r_, cause_of(visit_.verdict));
}

ngx_int_t Exchange::not_done() {
    return unavailable(r_, failure());
}

void Exchange::resume(bool in_time) noexcept {
    ngx_connection_t* c = r_->connection;
    if (in_time) {
        go_on();
    } else {
        leave();
        finish(guarded(c->log, Result(server_error),
                       [&] { return Result(late()); }));
    }
    ngx_http_run_posted_requests(c);
}

void Exchange::go_on() noexcept {
    deadline_.stop();
    finish(guarded(r_->connection->log, Result(server_error),
                   [&] { return advance(); }));
}

// Finalizing the request may free the exchange.
void Exchange::finish(Result result) noexcept {
    if (!result) {
        if (goes_on_alone()) {
            ignore_client(r_);
        } else {
            watch_client(r_);
        }
        return;
    }
    leave();
    ngx_http_request_t* r = r_;
    // The login logs its refusals itself.
    if (*result == NGX_HTTP_FORBIDDEN &&
        conf_.endpoint->kind != Endpoint::Kind::login) {
        (void)guarded(r->connection->log, false, [&] {
            log_forbidden(
                r, conf_.endpoint->kind,
                "the CSRF token is missing, or is not this session's");
            return true;
        });
    }
    // If the request was passed on to another handler, that one reads by now.
    if (*result != NGX_DONE) {
        r->read_event_handler = ngx_http_block_reading;
    }
    ngx_http_finalize_request(r, *result);
}

bool Exchange::body_text(std::string& out) const {
    if (r_->request_body != nullptr && r_->request_body->temp_file != nullptr) {
        return false;
    }
    each_buffer(r_, [&](const ngx_buf_t& buffer) {
        out.append(reinterpret_cast<const char*>(buffer.pos),
                   static_cast<std::size_t>(buffer.last - buffer.pos));
    });
    return out.size() <= phoenix::max_form_size;
}

void Exchange::wipe_body() noexcept {
    each_buffer(r_, [](ngx_buf_t& buffer) {
        OPENSSL_cleanse(buffer.pos,
                        static_cast<std::size_t>(buffer.last - buffer.pos));
    });
}

Exchange::Result Exchange::read_checked_form(phoenix::LoginForm& form) {
    std::string text;
    const bool readable = body_text(text);
    const phoenix::Secret body(std::move(text));
    if (!readable) {
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    if (!body.view().empty()) {
        const auto content_type = find_header(r_, "content-type");
        form_type_ = phoenix::form_type_of(content_type.value_or(""));
        if (!form_type_) {
            return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;
        }
        auto read = phoenix::read_form(body.view(), *form_type_,
                                       conf_.schema->layout.singular,
                                       content_type.value_or(""));
        if (const auto* error = std::get_if<phoenix::FormError>(&read)) {
            return *error == phoenix::FormError::too_large
                       ? NGX_HTTP_REQUEST_ENTITY_TOO_LARGE
                       : NGX_HTTP_BAD_REQUEST;
        }
        form = std::move(std::get<phoenix::LoginForm>(read));
    }
    open_cookies(r_, conf_, visit_);
    if (visit_.verdict.by_bearer) {
        return waiting;
    }
    std::string token = form.csrf_token;
    if (token.empty()) {
        token = find_header(r_, "x-csrf-token").value_or("");
    }
    const phoenix::Session session = session_of(visit_);
    const auto state = session.binary(phoenix::csrf_key);
    if (!phoenix::csrf_matches(state.value_or(""), token)) {
        return NGX_HTTP_FORBIDDEN;
    }
    return waiting;
}

bool Exchange::is_own_old_form(const Result& refusal) const {
    return refusal == NGX_HTTP_FORBIDDEN && !wants_json() && is_same_origin(r_);
}

Decision Exchange::identify() {
    const Decision decision = decide(r_, conf_, visit_);
    if (decision != Decision::ask) {
        return decision;
    }
    return question_.ask() ? Decision::wait : decide(r_, conf_, visit_);
}

bool Exchange::ask(postgres::Statement statement,
                   std::vector<postgres::Parameter> parameters,
                   Orphaned orphaned) {
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*conf_.source->database);
    if (pool == nullptr) {
        outcome_.status = postgres::Status::unavailable;
        return false;
    }
    tie_->orphaned = std::move(orphaned);
    postgres::Query query;
    query.layout = conf_.source->layout;
    query.statement = statement;
    query.parameters = std::move(parameters);
    query.done = [tie = tie_](postgres::Outcome&& outcome) {
        if (tie->exchange == nullptr) {
            if (tie->orphaned) {
                tie->orphaned(outcome);
            }
            return;
        }
        tie->exchange->outcome_ = std::move(outcome);
        tie->exchange->resume(/*in_time=*/true);
    };
    if (statement != postgres::Statement::logout &&
        statement != postgres::Statement::logout_everywhere &&
        statement != postgres::Statement::end_session) {
        query.wanted = [tie = tie_] { return tie->exchange != nullptr; };
    }
    pool->submit(std::move(query));
    expect_within(patience(*conf_.source));
    return true;
}

bool Exchange::succeeded() {
    if (outcome_.status == postgres::Status::ok) {
        return true;
    }
    if (outcome_.status == postgres::Status::refused) {
        ngx_str_t state = as_ngx_str(std::string_view(outcome_.sqlstate));
        ngx_str_t message = as_ngx_str(std::string_view(outcome_.message));
        ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0,
                      "auth_sigra: PostgreSQL refused: %V %V", &state,
                      &message);
    }
    return false;
}

bool Exchange::wants_json() const {
    return form_type_ == phoenix::FormType::json || accepts_json(r_);
}

std::optional<std::string> Exchange::csrf_token() {
    // Requests with an API token need none.
    if (visit_.verdict.by_bearer) {
        return std::nullopt;
    }
    phoenix::Session session = session_of(visit_);
    // The response to a prefetch may come after that to a log-out, so it sets
    // no cookie.
    if (ensure_csrf_state(session) &&
        (is_prefetch(r_) || !write_session(r_, conf_, visit_, session))) {
        return std::nullopt;
    }
    return json_string(
        phoenix::mask_csrf(session.binary(phoenix::csrf_key).value_or("")));
}

std::string Exchange::target() const {
    ngx_str_t to{};
    ngx_str_t& args = r_->args;
    if (ngx_http_arg(r_, reinterpret_cast<u_char*>(const_cast<char*>("to")), 2,
                     &to) == NGX_OK &&
        args.len != 0) {
        std::string path = phoenix::percent_decode_lax(view(to));
        if (phoenix::is_local_path(path)) {
            return path;
        }
    }
    return std::string(view(conf_.signed_in_url));
}

ngx_int_t Exchange::send_to_login() {
    phoenix::Session session = session_of(visit_);
    session.put_flash("error", say(r_, must_log_in));
    write_session(r_, conf_, visit_, session);
    return redirect(r_, view(conf_.login_url));
}

postgres::Parameter Exchange::ttl() const {
    return {text_of(conf_.ttl->standard_s)};
}

postgres::Parameter Exchange::remember_me_ttl() const {
    return {text_of(conf_.ttl->remember_me_s)};
}

postgres::Parameter Exchange::stored(std::string_view token) const {
    if (token.empty()) {
        return {std::nullopt, /*binary=*/true};
    }
    return {stored_token(*conf_.source, token), /*binary=*/true};
}

}  // namespace sigra::nginx
