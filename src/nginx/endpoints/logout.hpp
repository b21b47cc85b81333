// auth_sigra_logout.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"

namespace sigra::nginx {

// The rows are deleted first: as long as one may exist, no cookie is changed
// and the user is not told that they are logged out.
class Logout : public Exchange {
  public:
    using Exchange::Exchange;

  protected:
    Result advance() override;
    ngx_int_t late() override {
        return still_alive(Counter::unavailable_timeout);
    }
    [[nodiscard]] bool goes_on_alone() const override {
        return step_ == Step::identify;
    }
    // Whether to answer without a page or a redirect.
    [[nodiscard]] virtual bool answers_json() const { return wants_json(); }
    // The session's row is deleted; the next advance() goes on with the rest.
    void leave_after_end();

  private:
    enum class Step {
        parse,
        identify,  // everywhere: the user
        remove,
        removing,
        answer,
        old_form,  // of an older session: logs nobody out
    };

    [[nodiscard]] bool remove();
    [[nodiscard]] std::string session_token() const;
    [[nodiscard]] ngx_int_t still_alive(Counter cause);
    [[nodiscard]] ngx_int_t say_goodbye();

    Step step_ = Step::parse;
};

}  // namespace sigra::nginx
