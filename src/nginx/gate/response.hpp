// The gate's own answers.
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

// In place of what another location, whose error page this one is, has said.
[[nodiscard]] bool set_header(ngx_http_request_t* r, std::string_view key,
                              std::string_view value);

// The browser held the session back, if it has one, and would store what the
// answer sets over it: a form of another site would log its visitors out.
[[nodiscard]] bool may_hide_session(ngx_http_request_t* r,
                                    const LocationConf& conf);

// The same of who comes with a remember-me cookie, or with a session: whether
// another site has led here in a way that the session cookie does not follow.
[[nodiscard]] bool is_session_held_back(ngx_http_request_t* r,
                                        const LocationConf& conf,
                                        const Visit& visit);

// What a 401 for want of a good credential is to ask for.
void set_challenge(const LocationConf& conf, Visit& visit);

// An anonymous request: 302 to the login page with the path kept, or 401.
[[nodiscard]] ngx_int_t answer_anonymous(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// Logged in, but may not pass here: 403.
[[nodiscard]] ngx_int_t answer_forbidden(ngx_http_request_t* r, Visit& visit);

// A session that is to be confirmed: 302 to the login page, or 403.
[[nodiscard]] ngx_int_t answer_not_fresh(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         Visit& visit);

// For the answer that logs somebody in or out: what the browser has prefetched
// or prerendered is not shown to who is there then. False when memory is out.
[[nodiscard]] bool end_prefetches(ngx_http_request_t* r);

// Of a 503 to who asks: by what the lookup said, or by a condition or attribute
// that was not told.
[[nodiscard]] Counter cause_of(const Verdict& verdict);

// 503 with Retry-After; touches no cookie.
[[nodiscard]] ngx_int_t answer_unavailable(ngx_http_request_t* r, Visit& visit);

}  // namespace sigra::nginx
