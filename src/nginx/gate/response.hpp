// The gate's responses, and the response headers that it sets.
#pragma once

#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/counters.hpp"
#include "nginx/gate/texts.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

inline constexpr Text must_log_in = &phoenix::Messages::must_log_in;
inline constexpr Text may_not = &phoenix::Messages::may_not;

// Adds a response header; `key` is static and `value` lives as long as the
// request. Null when memory is out.
[[nodiscard]] ngx_table_elt_t* push_header(ngx_http_request_t* r,
                                           std::string_view key,
                                           std::string_view value);
// The same with a copy of `value`. False when memory is out.
[[nodiscard]] bool add_header(ngx_http_request_t* r, std::string_view key,
                              std::string_view value);

// Sets a response header. One of that name may be there already, set by the
// location whose error page this is: it is removed. False when memory is out.
[[nodiscard]] bool set_header(ngx_http_request_t* r, std::string_view key,
                              std::string_view value);

// Whether the browser may have withheld a session cookie because of its
// SameSite. A session that the response sets would replace the withheld one, so
// that a form on another site could log users out.
[[nodiscard]] bool may_hide_session(ngx_http_request_t* r,
                                    const LocationConf& conf);

// The same for a request with a remember-me cookie or a session: whether it
// comes from another site in a way in which SameSite withholds the session
// cookie, and has none.
[[nodiscard]] bool is_session_held_back(ngx_http_request_t* r,
                                        const LocationConf& conf,
                                        const Visit& visit);

// Chooses the WWW-Authenticate header of a 401.
void set_challenge(const LocationConf& conf, Visit& visit);

// For an anonymous request: 302 to the login page with the path kept, or 401.
[[nodiscard]] ngx_int_t answer_anonymous(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// For a user who does not meet auth_sigra_require: 403.
[[nodiscard]] ngx_int_t answer_forbidden(ngx_http_request_t* r, Visit& visit);

// For a session that is too old for auth_sigra_sudo: 302 to the login page, or
// 403.
[[nodiscard]] ngx_int_t answer_not_fresh(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// For a response that logs a user in or out: makes the browser drop the pages
// that it has prefetched or prerendered for the one before. False when memory
// is out.
[[nodiscard]] bool end_prefetches(ngx_http_request_t* r);

// The counter for a 503: by the cause of the lookup's failure, or `error` where
// a condition or an attribute could not be evaluated.
[[nodiscard]] Counter cause_of(const Verdict& verdict);

// 503 with Retry-After; touches no cookie.
[[nodiscard]] ngx_int_t answer_unavailable(ngx_http_request_t* r, Visit& visit);

}  // namespace sigra::nginx
