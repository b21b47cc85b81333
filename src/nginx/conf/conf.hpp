// What the directives say, and what is made of it once at start-up. Nothing
// here is written after the configuration was read.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "nginx/conf/cache_conf.hpp"
#include "nginx/conf/facts.hpp"
#include "nginx/conf/prune_conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "phoenix/message.hpp"
#include "phoenix/messages.hpp"
#include "phoenix/origin.hpp"
#include "phoenix/password.hpp"
#include "phoenix/session.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

// One database as auth_sigra_postgres names it. Locations with the same
// conninfo share it, and so each worker's pool.
struct Database {
    std::size_t index = 0;  // into MainConf::databases and a worker's pools
    postgres::PoolOptions options;
    std::string listen;  // a conninfo around a pooler; empty: options'
    std::vector<postgres::Layout> layouts;  // numbered as the pool will
};

struct Schema {
    postgres::Layout layout;
    std::string plural = "users";
};

// What a lookup depends on beside the token. Everything that is shared
// between requests is keyed by `fingerprint` as well as by the token's hash:
// another database or another `where` is another verdict, and so are other
// facts: what was kept of them says nothing here.
struct Source {
    const Database* database;
    std::size_t layout;  // the pool's number for it
    postgres::LayoutKind kind;
    std::uint64_t fingerprint;
    phoenix::SessionKeys keys;
    phoenix::TokenForm form;
    Facts* facts;  // never null; complete once all locations were read
};

// Newest first. Wiped when the cycle goes.
struct Secrets {
    std::vector<std::string> values;
    ~Secrets();
};

struct SessionCookie {
    std::string name = "_sigra_key";
    std::string signing_salt = "auth_sigra";
    std::string encryption_salt;  // empty: signed
    phoenix::KeyOptions key;
    std::optional<std::int64_t> max_age;
    std::string path = "/";
    std::string same_site = "Lax";
};

struct RememberMeCookie {
    bool enabled = true;
    std::string name = "_sigra_user_remember_me";
    std::optional<std::int64_t> max_age;  // none: remember_me's session_ttl
    std::string path = "/";
    std::string same_site = "Lax";
};

// Both cookies with their keys: the secrets and the cookie directives of one
// level put together. Sealers copy keyed contexts and so are not const; a
// worker has one thread that uses them.
struct Cookies {
    std::uint64_t id;  // of no others in this process, before or after
    const SessionCookie* session;
    const RememberMeCookie* remember;
    phoenix::Sealer session_sealer;
    phoenix::Sealer remember_sealer;
};

// auth_sigra_bearer
struct Bearer {
    enum class Mode { off, on, only };
    Mode mode = Mode::off;
    std::string context = "api-token";
    std::int64_t ttl_s = 365 * 86400;
    std::string tokens;  // their table; empty: the layout's own
};

struct Lifetimes {
    std::int64_t standard_s = 0;
    std::int64_t remember_me_s = 0;  // by the row's type, in sigra_sessions
};

// auth_sigra_password_checks
struct PasswordLimits {
    std::size_t running;  // per worker
    std::size_t queue = 64;
    ngx_msec_t floor_ms = 500;  // from a login's arrival to its refusal
};

// auth_sigra_password_hash
struct PasswordHash {
    std::optional<phoenix::Argon2Cost> cost;  // none: never written
    // Of the check that an unknown user's password gets.
    [[nodiscard]] phoenix::Argon2Cost dummy() const {
        return cost.value_or(phoenix::Argon2Cost{});
    }
};

using TrustedOrigins = std::vector<phoenix::WebOrigin>;

// auth_sigra_messages, in their order.
using MessagesList = std::vector<phoenix::Messages>;

struct LoginTemplate;

// What a location does itself in place of the application.
struct Endpoint {
    enum class Kind { login, logout, renew, session, sessions };
    Kind kind = Kind::login;
    ngx_http_handler_pt handler = nullptr;  // its content handler
    bool everywhere = false;                // logout: all sessions of the user
    bool authenticated = false;  // renew: an upstream confirmed who is there
    std::string fallback;        // login: a named location, or empty
    const LoginTemplate* page = nullptr;  // login: none: the built-in one
};

// auth_sigra_verify
struct Verify {
    ngx_array_t* trusted;                   // of ngx_cidr_t; null: nobody
    ngx_http_handler_pt handler = nullptr;  // its content handler
};

// Failed logins lock an account.
struct Lockout {
    std::int64_t threshold = 0;  // 0: off
    std::int64_t duration_s = 900;
};

struct SecondFactor {
    std::string condition;  // SQL on the users row u
    ngx_str_t url;
};

enum Gate : ngx_uint_t { gate_off, gate_on, gate_optional };
enum Unauthenticated : ngx_uint_t {
    unauthenticated_auto,
    unauthenticated_redirect,
    unauthenticated_status,
};
enum CacheControl : ngx_uint_t {
    cache_control_private,
    cache_control_no_store,
    cache_control_off,
};
enum Secure : ngx_uint_t {
    secure_auto,
    secure_on,
    secure_off,
    secure_variable,
};
enum Forward : ngx_uint_t { forward_off, forward_on, forward_encoded };
enum ReturnTo : ngx_uint_t { return_to_session, return_to_query };
enum Preflight : ngx_uint_t { preflight_deny, preflight_pass };

// Plain data, for the directive table reaches into it by offset. What the
// pointers name lives in the configuration's pool.
struct LocationConf {
    // What each request through the gate reads comes first.
    ngx_uint_t gate;
    ngx_uint_t preflight;
    ngx_uint_t forward;
    ngx_flag_t hide_cookies;
    ngx_uint_t cache_control;
    time_t sudo;         // 0: off
    time_t reissue_age;  // 0: off
    // The location's own: only an `if` and a limit_except in it have it too.
    const Endpoint* endpoint;
    const Verify* verify;  // null: it answers for itself; not inherited
    // Made at merge, where the location looks at sessions. `ttl` is
    // `lifetimes` or the schema's own, and so is not inherited by a level with
    // another schema.
    const Lifetimes* ttl;
    const Source* source;
    // Of API tokens; null: the Authorization header is not looked at.
    const Source* bearer_source;
    Cookies* cookies;    // null where there is no secret: none are looked at
    const Cache* cache;  // null: off
    const ChannelConf* listened;  // null: auth_sigra_close_on_revoke is off
    const Rules* rules;           // null: whoever is logged in may pass
    // The part of login_url that is a path: as it is written, and as browsers
    // send it where that differs.
    ngx_str_t login_path;
    ngx_str_t sent_login_path;

    ngx_uint_t unauthenticated;
    ngx_uint_t return_to;
    ngx_uint_t secure;
    const ngx_http_complex_value_t* secure_value;  // of secure_variable
    ngx_flag_t close_on_revoke;
    time_t idle_timeout;  // 0: off; unset: sigra_sessions' own
    ngx_str_t login_url;
    ngx_str_t signed_in_url;
    ngx_str_t logged_out_url;
    ngx_str_t cookie_domain;
    ngx_str_t channel;  // of revocations; empty: off

    const Database* database;
    const Schema* schema;
    const Secrets* secrets;
    const Bearer* bearer;
    const SessionCookie* session_cookie;
    const RememberMeCookie* remember_cookie;
    const Lifetimes* lifetimes;
    const TrustedOrigins* trusted_origins;
    const PasswordLimits* password_checks;
    const PasswordHash* password_hash;
    ngx_thread_pool_t* password_threads;
    const Lockout* lockout;
    const SecondFactor* second_factor;
    const Requirements* require;
    const AttributeSettings* attributes;
    const MessagesList* messages;  // null: English
    const CacheSetting* cache_setting;
    const PruneSetting* prune;
    ngx_http_handler_pt status_handler;  // null: no auth_sigra_status

    time_t idle_timeout_s() const {
        return idle_timeout == NGX_CONF_UNSET ? 30 * 60 : idle_timeout;
    }
    // Cookies are not looked at.
    bool is_bearer_only() const {
        return bearer_source != nullptr && bearer->mode == Bearer::Mode::only;
    }
    bool looks_at_sessions() const {
        return gate != gate_off || endpoint != nullptr;
    }
};

// A location that a directive leads to; see named_locations.hpp.
struct NamedLocation {
    ngx_http_core_srv_conf_t* server;
    std::string name;
    std::string directive;
    std::string file;
    ngx_uint_t line;
};

// A variable that must exist; see needed_variables.hpp.
struct NeededVariable {
    std::string name;
    std::string place;  // as a message ends with it
};

// What is known of a server's login page; see reachable_login.hpp.
struct ServerLogins {
    bool answered = false;  // some location has a handler
    ngx_str_t url{};        // where a gate sends visitors; empty: nowhere
};

struct MainConf {
    // Pointers, for locations keep them.
    std::vector<std::unique_ptr<Database>> databases;
    // The pool "default": it resolves names, and checks passwords where no
    // other is named. There once a database is.
    ngx_thread_pool_t* default_threads = nullptr;
    CacheConf cache;
    PruneJobs prune_jobs;
    std::map<std::string, Lifetimes> longest_lives;  // by the table's bare name
    std::vector<NamedLocation> named_locations;
    std::map<const ngx_http_core_srv_conf_t*, ServerLogins> logins;
    std::vector<NeededVariable> needed_variables;
    ngx_shm_zone_t* counters = nullptr;  // null: no auth_sigra_status
    // One of each for all levels that share the same parts: here the layout as
    // the database has numbered it, and the plural.
    std::map<std::tuple<const Database*, std::size_t, std::string>, Source*>
        sources;
    // By database and users table: what is asked of a user is asked whatever
    // names the user.
    std::map<std::string, std::unique_ptr<Facts>> facts;
    // Of all locations: no client says any of these anywhere.
    std::set<std::string> attribute_headers;
    std::map<std::tuple<const Secrets*, const SessionCookie*,
                        const RememberMeCookie*>,
             Cookies*>
        cookies;
};

inline MainConf& main_conf(ngx_conf_t* cf) {
    return *static_cast<MainConf*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_auth_sigra_module));
}

inline const LocationConf& location_conf(ngx_http_request_t* r) {
    return *static_cast<LocationConf*>(
        ngx_http_get_module_loc_conf(r, ngx_http_auth_sigra_module));
}

// By what really runs: another directive may have set another handler.
inline bool is_endpoint(const ngx_http_request_t* r, const LocationConf& conf) {
    return conf.endpoint != nullptr &&
           r->content_handler == conf.endpoint->handler;
}

// The layout of the API tokens beside that of the sessions; see
// bearer_directive.cpp.
[[nodiscard]] postgres::Layout bearer_layout(const LocationConf& conf,
                                             const postgres::Layout& sessions);
// Whether the location looks at the Authorization header.
[[nodiscard]] bool takes_bearer(const LocationConf& conf);

// Half the processors, at least one.
[[nodiscard]] std::size_t default_running_checks();

void* create_main_conf(ngx_conf_t* cf) noexcept;
void* create_location_conf(ngx_conf_t* cf) noexcept;
char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;

// An endpoint's directive, in quotes.
[[nodiscard]] std::string directive_of(Endpoint::Kind kind);

// The message against an endpoint whose location has another content handler.
// `directive`: in its quotes.
[[nodiscard]] std::string beside_another_handler(const std::string& directive);

// Logs at emerg with the file and line; always NGX_CONF_ERROR.
char* conf_error(ngx_conf_t* cf, const std::string& message);

}  // namespace sigra::nginx
