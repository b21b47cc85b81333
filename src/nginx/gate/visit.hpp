// The module's context of one request. Lives in the request's pool, is
// trivially destructible, and is found again after an internal redirect.
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
    ngx_http_request_t* request;  // this lives in its pool
    Visit* main;      // the main request's visit; this one, if it is that
    Arrival arrival;  // used in the main request's visit
    Verdict verdict;
    Outbox outbox;  // used in the main request's visit

    bool passed;            // the gate, because of a session
    bool everybody_passes;  // it would have passed without a session too
    bool answered_here;     // by the gate or an endpoint
    // The challenge of a 401, static; empty: the one for cookies.
    std::string_view challenge;
    bool reissue_asked;  // reissue() has been tried already
    // auth_sigra_require is evaluating a $variable just now: see variables.cpp.
    bool is_being_judged;
    bool touched;           // last_active_at was written or is on its way
    bool told_of_variable;  // the warning in variables.cpp was logged

    // For a POST to the login; see endpoints/login_log.hpp.
    LoginResult login;
    ngx_str_t login_email;  // as it was typed, escaped for a log
    ngx_str_t acted_id;     // the user who has logged in; empty: none
    ngx_str_t acted_email;

    OpenRequest* open;  // the worker's; null: it may outlive its session
    bool watched;
};
static_assert(std::is_trivially_destructible_v<Visit>);

// For find_visit() only.
[[nodiscard]] Visit* find_lost_visit(ngx_http_request_t* r);

// Null where there is none (yet).
[[nodiscard]] inline Visit* find_visit(ngx_http_request_t* r) {
    void* context = ngx_http_get_module_ctx(r, ngx_http_auth_sigra_module);
    return context != nullptr ? static_cast<Visit*>(context)
                              : find_lost_visit(r);
}
// Null when memory is out.
[[nodiscard]] Visit* visit_of(ngx_http_request_t* r);

// To be called before `open` is set: clears it when the request ends. False
// when memory is out.
[[nodiscard]] bool watch(Visit& visit);

}  // namespace sigra::nginx
