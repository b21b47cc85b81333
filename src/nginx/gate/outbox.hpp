// What is to be set in the answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/session.hpp"

namespace sigra::nginx {

struct Visit;

// The cookies of one answer, one of each name: the last one put in is what the
// browser will have. Owned by the main request's visit; its slots are the
// pool's.
struct Outbox {
    struct Slot {
        ngx_str_t set_cookie;  // the header's value
        Slot* next;
        [[nodiscard]] std::string_view name() const;
        [[nodiscard]] std::string_view value() const;
    };
    Slot* first;
    bool sent;  // with the answer's header
    // The session as a page of this answer shows it, encoded: with the flash
    // that the cookie no longer has. Empty: as it is.
    ngx_str_t shown;
    // Of a page of the module's, and its only one. Empty: not its business.
    ngx_str_t referrer_policy;

    [[nodiscard]] bool empty() const { return first == nullptr; }
    // Null: the answer sets no such cookie.
    [[nodiscard]] const Slot* find(std::string_view name) const;
};

// Are cookies to be Secure, for the client speaks TLS, here or with a proxy in
// front: as auth_sigra_cookie_secure has it. Throws bad_alloc.
[[nodiscard]] bool is_https(ngx_http_request_t* r, const LocationConf& conf);

// The Set-Cookie values of a session that a statement is about to make: known
// to fit before there is no way back. Empty: that one is not set.
struct SealedCookies {
    std::string session;
    std::string remember_me;
};

// Seals the session. What does not fit in 4,096 bytes drops the flash's email,
// the info flash, then the return path. Nullopt, and a warn line: it still does
// not fit, or the cookie that it would replace is good and not understood.
[[nodiscard]] std::optional<std::string> seal_session(
    ngx_http_request_t* r, const LocationConf& conf, const Visit& visit,
    phoenix::Session& session);
// The same with a remember-me cookie for the raw token, where the location has
// one. Of an empty token: without.
[[nodiscard]] std::optional<SealedCookies> seal(ngx_http_request_t* r,
                                                const LocationConf& conf,
                                                const Visit& visit,
                                                phoenix::Session& session,
                                                std::string_view remember);

// Throws bad_alloc, and then the outbox is as it was.
void put(Visit& visit, std::string_view set_cookie);
void put(Visit& visit, const SealedCookies& cookies);

void take_out(Visit& visit, std::string_view name);

// Seals the session and puts it in. False: it was not written.
bool write_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit, phoenix::Session& session);

// Those that take a cookie away.
void clear_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit);
void clear_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit);

// Sees to it that the session has a state that a CSRF token can be made of.
// False where it had one already.
bool ensure_csrf_state(phoenix::Session& session);

}  // namespace sigra::nginx
