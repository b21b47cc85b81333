// auth_sigra_sessions: lists a user's sessions, and ends one of them.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"
#include "nginx/endpoints/logout.hpp"

namespace sigra::nginx {

// GET: the list.
class Sessions final : public Exchange {
  public:
    using Exchange::Exchange;

  private:
    enum class Step { identify, asking };

    Result advance() override;
    [[nodiscard]] bool list();
    [[nodiscard]] ngx_int_t tell();

    Step step_ = Step::identify;
};

// DELETE, or a form's POST. Users know a session by the id of its row, which
// gives no access and stays the same when the session gets a new token. A hash
// of the token would change then, and ending another session than the chosen
// one, or none, is worse than an id from which rows can be counted.
class EndSession final : public Logout {
  public:
    using Logout::Logout;

  private:
    enum class Step {
        parse,
        identify,
        ending,
        leaving,  // it is the request's own: go on as a log-out
    };

    Result advance() override;
    ngx_int_t late() override;
    [[nodiscard]] bool goes_on_alone() const override {
        return step_ == Step::identify;
    }
    // DELETE comes from scripts, because browsers' forms do not have it. With
    // an API token no cookie is set.
    [[nodiscard]] bool answers_json() const override;
    [[nodiscard]] std::string wanted() const;
    [[nodiscard]] bool end();
    [[nodiscard]] bool is_own() const;
    [[nodiscard]] ngx_int_t not_found();
    [[nodiscard]] ngx_int_t ended();

    Step step_ = Step::parse;
};

}  // namespace sigra::nginx
