// auth_sigra_session: tells as JSON who is logged in.
#pragma once

#include "nginx/endpoints/exchange.hpp"

namespace sigra::nginx {

class SessionInfo final : public Exchange {
  public:
    using Exchange::Exchange;

  private:
    Result advance() override;
    [[nodiscard]] ngx_int_t tell();
};

}  // namespace sigra::nginx
