#include "nginx/gate/reissue.hpp"

#include <algorithm>
#include <memory>
#include <optional>

#include "nginx/gate/deadline.hpp"
#include "nginx/gate/gate.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/question.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/revoke.hpp"
#include "nginx/gate/take_back.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t token_size = 32;
constexpr std::int64_t grace_ms = 60'000;  // as in the statement

// One request's attempt. Lives in the request's pool. The query holds the tie;
// its pointer to the attempt is cleared when the request ends.
class Attempt {
  public:
    Attempt(ngx_http_request_t* r, const LocationConf& conf, Visit& visit)
        : r_(r),
          conf_(conf),
          visit_(visit),
          tie_(std::make_shared<Tie>(Tie{this, {}})),
          deadline_(r, this, [](void* data) noexcept {
              static_cast<Attempt*>(data)->go_on(nullptr);
          }) {}
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    // False: nothing was sent, the request goes on with the old token.
    [[nodiscard]] bool start();
    void request_goes() noexcept;

  private:
    struct Tie {
        Attempt* attempt;
        Rotation rotation;
    };

    void leave() noexcept {
        tie_->attempt = nullptr;
        deadline_.stop();
    }

    [[nodiscard]] bool seal_cookies();
    void go_on(const postgres::Outcome* outcome) noexcept;
    void answered(const postgres::Outcome& outcome);
    void go_on_with_new_token();

    ngx_http_request_t* r_;
    const LocationConf& conf_;
    Visit& visit_;
    std::string token_;
    SealedCookies cookies_;
    postgres::Outcome outcome_;  // once there is a new token
    std::shared_ptr<Tie> tie_;
    Deadline deadline_;
};

postgres::Parameter number(std::int64_t n) {
    return {std::to_string(n)};
}

// Called before the statement is sent, so that no row gets a new token that no
// cookie can hold.
bool Attempt::seal_cookies() {
    const phoenix::SessionKeys& keys = conf_.source->keys;
    token_ = phoenix::random_bytes(token_size);
    if (token_.empty()) {
        return false;
    }
    phoenix::Session session = session_of(visit_);
    phoenix::put_token(session, keys, conf_.source->form, token_);
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

bool Attempt::start() {
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*conf_.source->database);
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(r_, 0);
    if (pool == nullptr || cleanup == nullptr || !seal_cookies()) {
        return false;
    }
    cleanup->data = this;
    cleanup->handler = [](void* data) noexcept {
        static_cast<Attempt*>(data)->request_goes();
    };
    tie_->rotation = {conf_.source, std::string(view(visit_.verdict.token)),
                      token_};
    postgres::Query query;
    query.layout = conf_.source->layout;
    query.statement = postgres::Statement::reissue;
    query.parameters = {
        {std::string(stored_token(visit_.verdict)), /*binary=*/true},
        {stored_token(*conf_.source, token_), /*binary=*/true},
        number(conf_.reissue_age),
        number(conf_.ttl->standard_s),
        number(conf_.ttl->remember_me_s)};
    query.done = [tie = tie_](postgres::Outcome&& outcome) {
        if (tie->attempt != nullptr) {
            tie->attempt->go_on(&outcome);
        } else {
            take_back(tie->rotation, outcome);
        }
    };
    query.wanted = [tie = tie_] { return tie->attempt != nullptr; };
    pool->submit(std::move(query));
    deadline_.start(patience(*conf_.source));
    return true;
}

// If the header was not sent, the client never got the new token: it may have
// left while the statement ran, or while an upstream made the response.
void Attempt::request_goes() noexcept {
    leave();
    if (!visit_.outbox.sent) {
        take_back(tie_->rotation, outcome_);
    }
}

// `outcome` is null if it did not come in time.
void Attempt::go_on(const postgres::Outcome* outcome) noexcept {
    ngx_http_request_t* r = r_;
    leave();
    guarded(r->connection->log, [&] {
        if (outcome != nullptr) {
            answered(*outcome);
        }
    });
    run_phases_again(r);
}

// Without an answer the request goes on with the old token. No row means that
// another request was first or that the session has ended, so the old token is
// looked up again.
void Attempt::answered(const postgres::Outcome& outcome) {
    if (outcome.status == postgres::Status::refused) {
        // For example a missing privilege. Nothing else would show that no
        // token is ever replaced.
        ngx_str_t state = as_ngx_str(std::string_view(outcome.sqlstate));
        ngx_str_t message = as_ngx_str(std::string_view(outcome.message));
        ngx_log_error(NGX_LOG_ERR, r_->connection->log, 0,
                      "auth_sigra: PostgreSQL refused a new token, the old one "
                      "stays: %V %V",
                      &state, &message);
    }
    if (outcome.status != postgres::Status::ok) {
        return;
    }
    if (outcome.rows.empty()) {
        visit_.verdict.forget();
        return;
    }
    outcome_ = outcome;
    put(visit_, cookies_);
    revoke(visit_.verdict.token_hash);
    go_on_with_new_token();
}

// From here on the verdict is that of the new token: if the request stays open,
// it ends with the new row, not with the old one.
void Attempt::go_on_with_new_token() {
    Verdict& verdict = visit_.verdict;
    std::copy_n(token_.begin(), verdict.token.size(), verdict.token.begin());
    verdict.token_hash = phoenix::sha256(token_);
    verdict.looked_up.age_ms -= verdict.looked_up.now(verdict.looked_up.age_ms);
}

bool is_due(const LocationConf& conf, const LookedUp& found) {
    const std::int64_t age_ms = found.now(found.age_ms);
    return age_ms >= conf.reissue_age * 1000 &&
           ttl_ms(conf, *conf.source, found) - age_ms > grace_ms;
}

// Whether an application's response with X-Accel-Redirect has set the session
// already: its cookie would be sent in place of the new one.
bool is_set(ngx_http_request_t* r, std::string_view cookie) {
    for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        const auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            const std::string_view value = view(headers[i].value);
            if (headers[i].hash != 0 &&
                equal_ignoring_case(view(headers[i].key), "set-cookie") &&
                value.substr(0, value.find('=')) == cookie) {
                return true;
            }
        }
    }
    return false;
}

// Only where the client will surely use the new cookie: not every client stores
// a cookie from the response to an upgrade, and the response to a prefetch may
// come too late.
bool takes_cookies(ngx_http_request_t* r) {
    return r == r->main && !is_prefetch(r) && !find_header(r, "upgrade");
}

}  // namespace

Reissue reissue(ngx_http_request_t* r, const LocationConf& conf, Visit& visit) {
    if (conf.reissue_age == 0 || visit.verdict.by_bearer ||
        visit.reissue_asked || visit.verdict.looked_up.how == Status::stale ||
        visit.outbox.find(conf.session_cookie->name) != nullptr ||
        !is_due(conf, visit.verdict.looked_up) || !takes_cookies(r) ||
        is_set(r, conf.session_cookie->name) ||
        is_session_held_back(r, conf, visit)) {
        return Reissue::done;
    }
    visit.reissue_asked = true;
    auto* attempt = pool_make<Attempt>(r->pool, r, conf, visit);
    if (attempt == nullptr || !attempt->start()) {
        return Reissue::done;
    }
    watch_client(r);
    return Reissue::wait;
}

}  // namespace sigra::nginx
