// A request to an endpoint, from its body to its response.
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

// Logs, at the level `info`, why an endpoint other than the login answers 403.
void log_forbidden(ngx_http_request_t* r, Endpoint::Kind kind, const char* why);

// The base of all endpoints. Lives in its request's pool. What outlives the
// request, such as a query under way, holds the tie instead of the exchange;
// its pointer to the exchange is cleared when the request ends.
class Exchange {
  public:
    Exchange(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);
    virtual ~Exchange() = default;
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // For the content handler, which returns the result to nginx. Reads the
    // body if `with_body`, then advances.
    [[nodiscard]] ngx_int_t begin(bool with_body);

    // Stops waiting: nothing that is still under way calls the exchange any
    // more.
    virtual void leave() noexcept;

  protected:
    // A result for ngx_http_finalize_request(), or nothing while it waits.
    // advance() runs again when what it waits for is there.
    using Result = std::optional<ngx_int_t>;
    static constexpr std::nullopt_t waiting = std::nullopt;
    [[nodiscard]] virtual Result advance() = 0;
    void go_on() noexcept;
    // The same from the event loop. Where the deadline has passed, late() gives
    // the result.
    void resume(bool in_time) noexcept;

    // Reads the body's fields and checks the CSRF token, which requests with an
    // API token need not have. A result is the refusal.
    [[nodiscard]] Result read_checked_form(phoenix::LoginForm& form);
    // Whether such a refusal is only for a form of an older session: the CSRF
    // token is not the session's, but the browser's headers show that the form
    // is from this site.
    [[nodiscard]] bool is_own_old_form(const Result& refusal) const;
    // Wipes the body, which may hold a password. It must not be read
    // afterwards.
    void wipe_body() noexcept;

    // Finds out who sent the request; Decision::wait while it waits.
    [[nodiscard]] Decision identify();

    // Sends a query whose outcome advances the exchange. False: there is no
    // database to send it to. If the client leaves before it is sent, it is
    // dropped, unless it logs out or ends a session. `orphaned` gets an outcome
    // that comes after that.
    using Orphaned = std::function<void(const postgres::Outcome&)>;
    [[nodiscard]] bool ask(postgres::Statement statement,
                           std::vector<postgres::Parameter> parameters,
                           Orphaned orphaned = nullptr);
    // Whether the last query succeeded; logs an error of the server.
    [[nodiscard]] bool succeeded();
    [[nodiscard]] const std::vector<postgres::Row>& rows() const {
        return outcome_.rows;
    }

    // Advances the exchange after `delay` milliseconds.
    void wait(ngx_msec_t delay) { pause_.start(delay); }
    // 503, because the lookup has failed, or the last query has.
    [[nodiscard]] ngx_int_t not_identified();
    [[nodiscard]] ngx_int_t not_done();
    [[nodiscard]] Counter failure() const {
        return counter_of(Counter::unavailable_timeout, outcome_.status);
    }
    // If what it waits for now takes longer, the response is late().
    void expect_within(ngx_msec_t delay) { deadline_.start(delay); }
    // 503
    [[nodiscard]] virtual ngx_int_t late();
    // Whether what it waits for now must not end with the client's connection,
    // because sessions are to be ended afterwards.
    [[nodiscard]] virtual bool goes_on_alone() const { return false; }

    // Whether the client wants JSON, by what it sent or what it accepts.
    [[nodiscard]] bool wants_json() const;
    // The session's CSRF token as JSON. Nullopt where none is needed, or where
    // no session can be written for it.
    [[nodiscard]] std::optional<std::string> csrf_token();
    // Where a form redirects to: the local path in the argument `to`, or
    // signed_in_url.
    [[nodiscard]] std::string target() const;
    // For a user who is not logged in any more: 302 to the login page.
    [[nodiscard]] ngx_int_t send_to_login();
    // session_ttl as parameters of a statement.
    [[nodiscard]] postgres::Parameter ttl() const;
    [[nodiscard]] postgres::Parameter remember_me_ttl() const;
    // A token as its row stores it; NULL if it is empty.
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
    [[nodiscard]] bool body_text(std::string& out) const;

    std::shared_ptr<Tie> tie_;
    postgres::Outcome outcome_;
    std::optional<phoenix::FormType> form_type_;
    // What this exchange waits for; other waits of the request are separate.
    Question question_;
    Deadline pause_;
    Deadline deadline_;
};

}  // namespace sigra::nginx
