// auth_sigra_sessions: where a user is logged in, and an end to any of it.
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

// DELETE, or a form's POST. A session is known to its user by the id of its
// row, which opens nothing, and stays the same when the session takes a new
// token: a hash of the token would not, and what ends another session than the
// one that was looked at, or none, is worse than a number that can be counted.
class EndSession final : public Logout {
  public:
    using Logout::Logout;

  private:
    enum class Step {
        parse,
        identify,
        ending,
        leaving,  // it is the asker's own: the rest is a log-out
    };

    Result advance() override;
    ngx_int_t late() override;
    // A DELETE is a script's: browsers' forms have none, nor an API token, for
    // which no cookie is set.
    [[nodiscard]] bool answers_json() const override;
    [[nodiscard]] std::string wanted() const;
    [[nodiscard]] bool end();
    [[nodiscard]] bool is_own() const;
    [[nodiscard]] ngx_int_t not_found();
    [[nodiscard]] ngx_int_t ended();

    Step step_ = Step::parse;
};

}  // namespace sigra::nginx
