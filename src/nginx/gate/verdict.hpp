// What one location's configuration makes of the client's cookies: who asks,
// and how that is known.
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

namespace sigra::nginx {

// $auth_sigra_status
enum class Status {
    none,  // the gate has not judged
    hit,
    miss,
    anonymous,
    expired,
    unknown,
    invalid,
    stale,
    error,
    forbidden,
};
[[nodiscard]] std::string_view name(Status status);

struct Identity {
    ngx_str_t user_id;
    ngx_str_t email;
    std::optional<std::int64_t> authenticated_at;  // Unix seconds
};

// What the lookup said, with ages that grow by this process's own clock.
struct LookedUp {
    LookupResult::State state;
    postgres::Status failure;  // LookupResult's
    Status how;                // hit, miss or stale
    Identity identity;
    bool remember_me_row;
    ngx_msec_t at;
    std::int64_t age_ms;
    std::optional<std::int64_t> authenticated_age_ms;
    std::optional<std::int64_t> idle_ms;
    // See postgres::SessionRow; the attributes are encode_attributes()'.
    std::uint64_t met;
    std::uint64_t judged;
    std::uint32_t readable;
    ngx_str_t attributes;
    std::int64_t kept_ms;  // of a hit: how long it was in the cache

    [[nodiscard]] std::int64_t now(std::int64_t age) const {
        return age + static_cast<std::int64_t>(ngx_current_msec - at);
    }
};

// Owned by a request's visit. Trivially destructible: what it points to is the
// pool's or the configuration's.
struct Verdict {
    enum class Step {
        fresh,
        read,      // the cookies were opened: there is a token, or why not
        waiting,   // the database was asked for the token
        answered,  // or there was nothing to ask
    };
    Step step;

    // Its key: a location with another one begins anew.
    const Source* source;
    const Cookies* cookies;
    const Cache* cache;

    // The location whose lifetimes were applied last, on this way through the
    // phases; null: none yet.
    const LocationConf* judge;
    Status status;
    bool identified;  // looked_up.identity counts there
    // The judge's, and after an internal redirect still: what its attributes
    // are called.
    const Rules* rules;

    // The Authorization header speaks, or nobody does: the cookies are not
    // looked at.
    bool by_bearer;
    bool has_token;
    bool from_remember_me;
    phoenix::Sha256 token_hash;
    std::array<char, 32> token;  // raw
    // Zone::find()'s, in the worker's memo, which outlives the request; null:
    // the cookie was not remembered.
    std::uint32_t* place_in_zone;

    LookedUp looked_up;

    // The cookies are to be read and asked for again.
    void forget() { *this = Verdict{}; }
};
static_assert(std::is_trivially_destructible_v<Verdict>);

}  // namespace sigra::nginx
