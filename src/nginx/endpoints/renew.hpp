// auth_sigra_renew: a new token for the current session.
#pragma once

#include <string>

#include "nginx/endpoints/exchange.hpp"
#include "nginx/gate/outbox.hpp"

namespace sigra::nginx {

// Whether the request is in this location because an upstream answered with
// X-Accel-Redirect to it, and not because of a rewrite, try_files or
// error_page.
[[nodiscard]] bool sent_by_upstream(ngx_http_request_t* r);

class Renew final : public Exchange {
  public:
    Renew(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);

  private:
    enum class Step {
        parse,  // a POST's body
        adopt,  // the session that the upstream's response sets
        identify,
        replace,
        replacing,
    };

    Result advance() override;
    ngx_int_t late() override;
    void adopt();
    [[nodiscard]] bool remembers() const;
    [[nodiscard]] bool seal_cookies();
    [[nodiscard]] bool replace();
    [[nodiscard]] ngx_int_t anonymous();
    [[nodiscard]] ngx_int_t lost(Counter cause);
    [[nodiscard]] ngx_int_t too_late();
    [[nodiscard]] ngx_int_t rotated();

    Step step_;
    const bool confirmed_;  // by an upstream
    std::string token_;
    SealedCookies cookies_;  // with the new token, before the statement
};

}  // namespace sigra::nginx
