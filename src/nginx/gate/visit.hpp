// What one request is to the module. Lives in the request's pool, is trivially
// destructible, and is found again after an internal redirect.
#pragma once

#include <type_traits>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/arrival.hpp"
#include "nginx/gate/login_result.hpp"
#include "nginx/gate/outbox.hpp"
#include "nginx/gate/verdict.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

struct OpenRequest;

struct Visit {
    ngx_http_request_t* request;  // whose pool this lives in
    Visit* main;                  // the main request's; its own where it is
    Arrival arrival;              // the main request's alone
    Verdict verdict;
    Outbox outbox;  // the main request's alone

    bool passed;            // because of a session
    bool everybody_passes;  // as a request without one would have
    bool answered_here;     // by the gate or an endpoint
    // Of a 401, static; empty: that of the cookies.
    std::string_view challenge;
    bool reissue_asked;  // this request has had its turn
    // By auth_sigra_require $variable, this moment: see variables.cpp.
    bool is_being_judged;
    bool touched;           // last_active_at was written or is on its way
    bool told_of_variable;  // one that is left empty: see variables.cpp

    // Of a POST to the login; see endpoints/login_log.hpp.
    LoginResult login;
    ngx_str_t login_email;  // as it was typed, escaped for a log
    ngx_str_t acted_id;     // who has logged in by it; empty: nobody
    ngx_str_t acted_email;

    OpenRequest* open;  // the worker's; null: not to end with its session
    bool watched;
};
static_assert(std::is_trivially_destructible_v<Visit>);

// For find_visit().
[[nodiscard]] Visit* find_lost_visit(ngx_http_request_t* r);

// Null where there is none (yet).
[[nodiscard]] inline Visit* find_visit(ngx_http_request_t* r) {
    void* context = ngx_http_get_module_ctx(r, ngx_http_auth_sigra_module);
    return context != nullptr ? static_cast<Visit*>(context)
                              : find_lost_visit(r);
}
// Null when memory is out.
[[nodiscard]] Visit* visit_of(ngx_http_request_t* r);

// Lets go of `open` when the request goes; before it is used. False when memory
// is out.
[[nodiscard]] bool watch(Visit& visit);

}  // namespace sigra::nginx
