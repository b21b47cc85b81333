// auth_sigra_logout.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"

namespace sigra::nginx {

// The rows go first: as long as one may be there, no cookie is touched and
// nobody is told that they are logged out.
class Logout final : public Exchange {
  public:
    using Exchange::Exchange;

  private:
    enum class Step {
        parse,
        identify,  // everywhere: whose sessions
        remove,
        removing,
        answer,
        old_form,  // of an older session: nobody is logged out by it
    };

    Result advance() override;
    ngx_int_t late() override { return still_alive(); }
    [[nodiscard]] bool remove();
    [[nodiscard]] std::string session_token() const;
    [[nodiscard]] ngx_int_t still_alive();
    [[nodiscard]] ngx_int_t say_goodbye();

    Step step_ = Step::parse;
};

}  // namespace sigra::nginx
