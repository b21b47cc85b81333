// Who sent a request, and how that is known, by the configuration of one
// location.
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

// A lookup's result, from PostgreSQL or the cache. Ages are in milliseconds as
// of `at`; now() adds what has passed since by this process's own clock.
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
    // See postgres::SessionRow; `attributes` comes from encode_attributes().
    std::uint64_t met;
    std::uint64_t judged;
    std::uint32_t readable;
    ngx_str_t attributes;
    std::int64_t kept_ms;  // for a hit: how long ago PostgreSQL said so

    [[nodiscard]] std::int64_t now(std::int64_t age) const {
        return age + static_cast<std::int64_t>(ngx_current_msec - at);
    }
};

// Owned by a request's visit. Trivially destructible: what it points to belongs
// to the request's pool or the configuration.
struct Verdict {
    enum class Step {
        fresh,
        read,      // the cookies were read: has_token, or status says why not
        waiting,   // the database was asked for the token
        answered,  // or there was nothing to ask
    };
    Step step;

    // The settings that it was made with. A location with others starts anew.
    const Source* source;
    const Cookies* cookies;
    const Cache* cache;

    // The location that has judged last since the phases began; null: none yet.
    const LocationConf* judge;
    Status status;
    bool identified;  // looked_up.identity is valid there
    // The judge's rules, kept after an internal redirect: the attributes' names
    // are in them.
    const Rules* rules;

    // Only the Authorization header counts, even if there is none: the cookies
    // are not read.
    bool by_bearer;
    bool has_token;
    bool from_remember_me;
    phoenix::Sha256 token_hash;
    std::array<char, 32> token;  // raw
    // The place for Zone::find(). It is in the worker's memo, which outlives
    // the request; null: the memo does not have the cookie.
    std::uint32_t* place_in_zone;

    LookedUp looked_up;

    // Starts anew: the cookies are read and the token is looked up again.
    void forget() { *this = Verdict{}; }
};
static_assert(std::is_trivially_destructible_v<Verdict>);

}  // namespace sigra::nginx
