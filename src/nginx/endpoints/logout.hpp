// auth_sigra_logout.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"

namespace sigra::nginx {

// The rows go first: as long as one may be there, no cookie is touched and
// nobody is told that they are logged out.
class Logout : public Exchange {
  public:
    using Exchange::Exchange;

  protected:
    Result advance() override;
    ngx_int_t late() override {
        return still_alive(Counter::unavailable_timeout);
    }
    // Without a page or a redirect.
    [[nodiscard]] virtual bool answers_json() const { return wants_json(); }
    // The session's row has gone: what is left is to end by what advances next.
    void leave_after_end();

  private:
    enum class Step {
        parse,
        identify,  // everywhere: whose sessions
        remove,
        removing,
        answer,
        old_form,  // of an older session: nobody is logged out by it
    };

    [[nodiscard]] bool remove();
    [[nodiscard]] std::string session_token() const;
    [[nodiscard]] ngx_int_t still_alive(Counter cause);
    [[nodiscard]] ngx_int_t say_goodbye();

    Step step_ = Step::parse;
};

}  // namespace sigra::nginx
