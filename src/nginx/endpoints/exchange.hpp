// A request to an endpoint, from its body to its answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/conf/conf.hpp"
#include "nginx/counters.hpp"
#include "nginx/gate/deadline.hpp"
#include "nginx/gate/gate.hpp"
#include "nginx/gate/question.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/form.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

// A line of the level `info`: why an endpoint that is not the login answers
// 403.
void log_forbidden(ngx_http_request_t* r, Endpoint::Kind kind, const char* why);

// What all endpoints share. Lives in its request's pool. What outlives the
// request (a query in flight) holds the tie and not the exchange: the request
// cuts it when it goes.
class Exchange {
  public:
    Exchange(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);
    virtual ~Exchange() = default;
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // As a content handler: reads the body where `with_body`, then advances.
    // What it returns goes to nginx.
    [[nodiscard]] ngx_int_t begin(bool with_body);

    // Nothing that is still under way reaches the exchange any more.
    virtual void leave() noexcept;

  protected:
    // A result for ngx_http_finalize_request, or nothing while it waits. Runs
    // again when what it waits for is there.
    using Result = std::optional<ngx_int_t>;
    static constexpr std::nullopt_t waiting = std::nullopt;
    [[nodiscard]] virtual Result advance() = 0;
    void go_on() noexcept;
    // The same from the event loop. Not in time: the answer is late().
    void resume(bool in_time) noexcept;

    // The body's fields, with the CSRF token checked, but for who comes with an
    // API token; a result is the refusal.
    [[nodiscard]] Result read_checked_form(phoenix::LoginForm& form);
    // Of such a refusal: the token is not the session's, but the browser shows
    // that the form is the site's own. It is one of an older session.
    [[nodiscard]] bool is_own_old_form(const Result& refusal) const;
    // No more is to be read of the body than was: wipes what it held.
    void wipe_body() noexcept;

    // Who asks: waiting, or judged.
    [[nodiscard]] Decision identify();

    // Sends a query whose outcome advances the exchange. False where there is
    // no database to ask any more. One that is not sent yet when the client
    // leaves is dropped, but for a log-out.
    // `orphaned`: what becomes of an outcome that comes after it has.
    using Orphaned = std::function<void(const postgres::Outcome&)>;
    [[nodiscard]] bool ask(postgres::Statement statement,
                           std::vector<postgres::Parameter> parameters,
                           Orphaned orphaned = nullptr);
    // Of the last query; logs what the server refused.
    [[nodiscard]] bool succeeded();
    [[nodiscard]] const std::vector<postgres::Row>& rows() const {
        return outcome_.rows;
    }

    // Advances the exchange after so many milliseconds.
    void wait(ngx_msec_t delay) { pause_.start(delay); }
    // 503: who asks is not known, or the last query has failed.
    [[nodiscard]] ngx_int_t not_identified();
    [[nodiscard]] ngx_int_t not_done();
    [[nodiscard]] Counter failure() const {
        return counter_of(Counter::unavailable_timeout, outcome_.status);
    }
    // What it waits for now is to be there by then, or the answer is late().
    void expect_within(ngx_msec_t delay) { deadline_.start(delay); }
    // 503
    [[nodiscard]] virtual ngx_int_t late();

    // The client wants JSON: by what it sent, or what it accepts.
    [[nodiscard]] bool wants_json() const;
    // The session's CSRF token as JSON; nothing where there is none to write
    // it to, or none is asked for.
    [[nodiscard]] std::optional<std::string> csrf_token();
    // Where a form leads to: the local path in the argument `to`, or
    // signed_in_url.
    [[nodiscard]] std::string target() const;
    // A person who is not logged in any more.
    [[nodiscard]] ngx_int_t send_to_login();
    // session_ttl as parameters of a statement.
    [[nodiscard]] postgres::Parameter ttl() const;
    [[nodiscard]] postgres::Parameter remember_me_ttl() const;
    // A token as its row has it; NULL where there is none.
    [[nodiscard]] postgres::Parameter stored(std::string_view token) const;

    ngx_http_request_t* r_;
    const LocationConf& conf_;
    Visit& visit_;
    const ngx_msec_t arrived_ = ngx_current_msec;

  private:
    struct Tie {
        Exchange* exchange;
        Orphaned orphaned;
    };

    static void body_read(ngx_http_request_t* r) noexcept;
    static void request_goes(void* data) noexcept;
    void finish(Result result) noexcept;
    void watch_client();
    [[nodiscard]] bool body_text(std::string& out) const;

    std::shared_ptr<Tie> tie_;
    postgres::Outcome outcome_;
    std::optional<phoenix::FormType> form_type_;
    // The exchange's own waits: no other of the request's has a part in them.
    Question question_;
    Deadline pause_;
    Deadline deadline_;
};

}  // namespace sigra::nginx
