// auth_sigra_session: who asks, as JSON.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"

namespace sigra::nginx {

class SessionInfo final : public Exchange {
  public:
    using Exchange::Exchange;

  private:
    Result advance() override;
    [[nodiscard]] ngx_int_t tell();
    // JSON; nothing where the session that it belongs to cannot be written.
    [[nodiscard]] std::optional<std::string> csrf_token();
};

}  // namespace sigra::nginx
