// What one request is to the module: who asks, and what is to be said of it
// in the answer's headers. Lives in the request's pool, is trivially
// destructible, and is found again after an internal redirect.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/lookup.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "phoenix/session.hpp"

namespace sigra::nginx {

// $auth_sigra_status
enum class Verdict {
    none,  // the gate has not judged
    hit,
    miss,
    anonymous,
    expired,
    unknown,
    invalid,
    stale,
    error,
};
[[nodiscard]] std::string_view name(Verdict verdict);

struct Identity {
    ngx_str_t user_id;
    ngx_str_t email;
    std::optional<std::int64_t> authenticated_at;  // Unix seconds
};

// What the lookup said, with ages that grow by this process's own clock.
struct LookedUp {
    LookupResult::State state;
    Verdict how;  // hit, miss or stale
    Identity identity;
    bool remember_me_row;
    ngx_msec_t at;
    std::int64_t age_ms;
    std::optional<std::int64_t> authenticated_age_ms;
    std::optional<std::int64_t> idle_ms;

    [[nodiscard]] std::int64_t now(std::int64_t age) const {
        return age + static_cast<std::int64_t>(ngx_current_msec - at);
    }
};

struct OpenRequest;

struct Visit {
    enum class Step {
        fresh,
        read,      // the cookies were opened: there is a token, or why not
        waiting,   // the database was asked for the token
        answered,  // or there was nothing to ask
    };

    ngx_http_request_t* request;  // whose pool this lives in
    Step step;

    // Which configuration the rest was made with; another one asks anew.
    const Source* source;
    const Cookies* cookies;
    const Cache* cache;

    // As the client sent it, before any header was hidden from an upstream.
    ngx_str_t cookie_header;
    bool cookie_header_known;
    bool cookie_header_twice;

    ngx_str_t session_payload;  // opened and checked; empty: no session
    bool session_sealed;        // good, and yet to be opened for its payload
    bool session_invalid;       // a cookie that did not open
    bool has_token;
    bool from_remember_me;
    phoenix::Sha256 token_hash;
    std::array<char, 32> token;  // raw
    // Zone::find()'s, in the worker's memo, which outlives the request; null:
    // the cookie was not remembered.
    std::uint32_t* place_in_zone;

    LookedUp looked_up;
    Verdict verdict;
    bool identified;  // looked_up.identity counts here

    // For the header filter.
    bool passed;            // let in because of a session
    bool answered_here;     // by the gate or an endpoint
    bool reissue_asked;     // this request has had its turn
    bool touched;           // last_active_at was written or is on its way
    ngx_str_t set_session;  // Set-Cookie values; empty: none
    ngx_str_t set_remember;

    OpenRequest* open;  // the worker's; null: not to end with its session
    Waiter waiter;
    bool watched;
    // Goes on with the request when the answer is there, outside of any of its
    // handlers; null: its phases run again.
    void (*resume)(void* data) noexcept;
    void* resume_data;

    [[gnu::cold]] void forget_verdict();
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

// Lets go of `waiter` and `open` when the request goes; before either is used.
// False when memory is out.
[[nodiscard]] bool watch(Visit& visit);

// The session that the client sent, or an empty one.
[[nodiscard]] phoenix::Session session_of(const Visit& visit);

}  // namespace sigra::nginx
