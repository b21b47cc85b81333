// The cookies that the response will set.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/session.hpp"

namespace sigra::nginx {

struct Visit;

// The cookies of one response. There is one of each name: the last one that is
// put in replaces others. Owned by the main request's visit; the slots live in
// its pool.
struct Outbox {
    struct Slot {
        ngx_str_t set_cookie;  // the header's value
        Slot* next;
        [[nodiscard]] std::string_view name() const;
        [[nodiscard]] std::string_view value() const;
    };
    Slot* first;
    bool sent;  // the response's header was sent
    // The session that a page of this response shows, encoded: it still has the
    // flash, which the cookie no longer has. Empty: the same as in the cookie.
    ngx_str_t shown;
    // The Referrer-Policy of one of the module's pages, in place of any other.
    // Empty: none is set.
    ngx_str_t referrer_policy;

    [[nodiscard]] bool empty() const { return first == nullptr; }
    // Null: the response sets no such cookie.
    [[nodiscard]] const Slot* find(std::string_view name) const;
};

// Whether cookies are to be Secure, as auth_sigra_cookie_secure says: the
// client uses TLS, to this server or to a proxy in front. Throws bad_alloc.
[[nodiscard]] bool is_https(ngx_http_request_t* r, const LocationConf& conf);

// Set-Cookie values for a session that a statement is about to create. They are
// made before it is sent, so that a session is not created for cookies that do
// not fit. Empty: that cookie is not set.
struct SealedCookies {
    std::string session;
    std::string remember_me;
};

// The Set-Cookie value of the session. If it is longer than 4,096 bytes, the
// email flash is dropped, then the info flash, then the return path. Nullopt,
// and a warning in the log: it is still too long, or the request has a session
// cookie with a valid signature whose contents are not understood, which must
// not be replaced.
[[nodiscard]] std::optional<std::string> seal_session(
    ngx_http_request_t* r, const LocationConf& conf, const Visit& visit,
    phoenix::Session& session);
// The same, and a remember-me cookie with the raw token `remember` where the
// location has such a cookie and the token is not empty.
[[nodiscard]] std::optional<SealedCookies> seal(ngx_http_request_t* r,
                                                const LocationConf& conf,
                                                const Visit& visit,
                                                phoenix::Session& session,
                                                std::string_view remember);

// Sets a cookie. Throws bad_alloc, and then does not set it.
void put(Visit& visit, std::string_view set_cookie);
void put(Visit& visit, const SealedCookies& cookies);

void take_out(Visit& visit, std::string_view name);

// Seals the session and sets its cookie. False: it was not written.
bool write_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit, phoenix::Session& session);

// Set a cookie that deletes the browser's.
void clear_remember_me(ngx_http_request_t* r, const LocationConf& conf,
                       Visit& visit);
void clear_session(ngx_http_request_t* r, const LocationConf& conf,
                   Visit& visit);

// Gives the session a state from which CSRF tokens are made, unless it has one.
// False: it had one.
bool ensure_csrf_state(phoenix::Session& session);

}  // namespace sigra::nginx
