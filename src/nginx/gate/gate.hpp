// Who asks, and whether they may pass: the state machine of the access phase,
// without the answers.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

enum class Decision {
    ask,          // the database, by a question of the caller's own
    wait,         // it was asked, and has not answered yet
    pass,         // a live session, fresh enough
    anonymous,    // no, bad, dead or expired token
    forbidden,    // a live session that does not meet auth_sigra_require
    not_fresh,    // a live session that auth_sigra_sudo wants confirmed
    no_answer,    // the database did not say: never in, never out
    two_cookies,  // two Cookie headers: an upstream could read the other
    internal_error,
};

// Moves the verdict on as far as it goes without waiting, and judges by the
// location's own lifetimes.
[[nodiscard]] Decision decide(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit);

// Opens the cookies without asking for the token that they hold.
void open_cookies(ngx_http_request_t* r, const LocationConf& conf,
                  Visit& visit);

// How long such a row of the source counts at the location.
[[nodiscard]] std::int64_t ttl_ms(const LocationConf& conf,
                                  const Source& source, const LookedUp& found);

// What is asked for.
[[nodiscard]] Lookup::Key key_of(const Verdict& verdict);
// Its answer. What is out of reach may pass by what is remembered of it.
void take_result(Visit& visit, const LookupResult& result);

// The session cookie that a rehydrated session is to have, and what else
// lasts beyond the request (last_active_at).
void on_pass(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);

}  // namespace sigra::nginx
