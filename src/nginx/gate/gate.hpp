// Who asks, and may he in: the state machine of the access phase, without
// the answers.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

enum class Decision {
    wait,         // the database was asked; the phases run again
    pass,         // a live session, fresh enough
    anonymous,    // no, bad, dead or expired token
    not_fresh,    // a live session that auth_sigra_sudo wants confirmed
    no_answer,    // the database did not say: never in, never out
    two_cookies,  // two Cookie headers: an upstream could read the other
    internal_error,
};

// Moves the visit on as far as it goes without waiting, and judges it by the
// location's own lifetimes.
[[nodiscard]] Decision decide(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit);

// A phase handler that waits returns NGX_AGAIN after the one; who has what it
// waits for calls the other, outside of the request's own handlers.
void wait_in_phases(ngx_http_request_t* r);
void run_phases_again(ngx_http_request_t* r);

// Opens the cookies without asking for the token that they hold.
void read_cookies(ngx_http_request_t* r, const LocationConf& conf,
                  Visit& visit);

// The session cookie that a rehydrated session is to have, and what else
// lasts beyond the request (last_active_at).
void on_pass(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);

}  // namespace sigra::nginx
