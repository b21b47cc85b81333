// The gate's own answers, and the cookies that an answer carries.
#pragma once

#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/session.hpp"

namespace sigra::nginx {

inline constexpr std::string_view must_log_in =
    "You must log in to access this page.";

// Adds a response header; `key` is static and `value` lives as long as the
// request. False when memory is out.
[[nodiscard]] bool push_header(ngx_http_request_t* r, std::string_view key,
                               std::string_view value);
// The same with a copy of `value`.
[[nodiscard]] bool add_header(ngx_http_request_t* r, std::string_view key,
                              std::string_view value);

// Seals the session into the visit's Set-Cookie for it. What does not fit in
// 4,096 bytes drops the flash's email, then the return path; what still does
// not is not written, and a warn line says so.
void write_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit, phoenix::Session& session);

// The Set-Cookie of a remember-me cookie for that raw token, where the location
// has one.
void write_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit, std::string_view token);
// Those that take a cookie away.
void clear_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit);
void clear_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit);

// Sees to it that the session has a state that a CSRF token can be made of.
// False where it had one already.
bool ensure_csrf_state(phoenix::Session& session);

// An anonymous request: 302 to the login page with the path kept, or 401.
[[nodiscard]] ngx_int_t answer_anonymous(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// A session that is to be confirmed: 302 to the login page, or 403.
[[nodiscard]] ngx_int_t answer_not_fresh(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// 503 with Retry-After; touches no cookie.
[[nodiscard]] ngx_int_t answer_unavailable(ngx_http_request_t* r, Visit& visit);

}  // namespace sigra::nginx
