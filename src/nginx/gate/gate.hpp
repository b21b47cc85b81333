// Finds out who sent a request and decides whether it may pass: the state
// machine of the access phase. response.hpp sends the answers.
#pragma once

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

enum class Decision {
    ask,          // the database: the caller starts a Question
    wait,         // it was asked, and has not answered yet
    pass,         // a live session, fresh enough
    anonymous,    // no, bad, dead or expired token
    forbidden,    // a live session that does not meet auth_sigra_require
    not_fresh,    // a live session that auth_sigra_sudo wants confirmed
    no_answer,    // the database did not tell: neither let in nor log out
    two_cookies,  // two Cookie headers: an upstream could read the other
    internal_error,
};

// Takes the verdict as far as it goes without waiting, and judges it by the
// location's lifetimes and rules.
[[nodiscard]] Decision decide(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit);

// Reads the token from the cookies or the Authorization header, but does not
// look it up.
void open_cookies(ngx_http_request_t* r, const LocationConf& conf,
                  Visit& visit);

// How long such a row is valid at the location after inserted_at.
[[nodiscard]] std::int64_t ttl_ms(const LocationConf& conf,
                                  const Source& source, const LookedUp& found);

// The key by which the verdict's token is looked up.
[[nodiscard]] Lookup::Key key_of(const Verdict& verdict);
// Puts the lookup's result into the verdict. While PostgreSQL is out of reach,
// a stale entry of the cache takes its place where the location allows that.
void take_result(Visit& visit, const LookupResult& result);

// What a request that passes leaves behind: last_active_at is written, and a
// session that was restored from the remember-me cookie gets its own cookie.
void on_pass(ngx_http_request_t* r, const LocationConf& conf, Visit& visit);

}  // namespace sigra::nginx
