// The values of the directives, and what is made of them at start-up. Nothing
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
    std::string listen;  // a conninfo around a pooler; empty: use options'
    std::vector<postgres::Layout> layouts;  // the index is the pool's number
};

struct Schema {
    postgres::Layout layout;
    std::string plural = "users";
};

// What a lookup depends on beside the token. Whatever requests share is keyed
// by `fingerprint` as well as by the token's hash, because another database,
// another `where` or other facts may lead to another verdict.
struct Source {
    const Database* database;
    std::size_t layout;  // the pool's number for it
    postgres::LayoutKind kind;
    std::uint64_t fingerprint;
    phoenix::SessionKeys keys;
    phoenix::TokenForm form;
    Facts* facts;  // never null; complete once all locations were read
};

// The newest first. Wiped when the cycle is destroyed.
struct Secrets {
    std::vector<std::string> values;
    ~Secrets();
};

struct SessionCookie {
    std::string name = "_sigra_key";
    std::string signing_salt = "auth_sigra";
    std::string encryption_salt;  // empty: the cookie is only signed
    phoenix::KeyOptions key;
    std::optional<std::int64_t> max_age;
    std::string path = "/";
    std::string same_site = "Lax";
};

struct RememberMeCookie {
    bool enabled = true;
    std::string name = "_sigra_user_remember_me";
    std::optional<std::int64_t> max_age;  // none: remember_me= of session_ttl
    std::string path = "/";
    std::string same_site = "Lax";
};

// Both cookies with their keys: the secrets and the cookie directives of one
// level put together. Sealers copy keyed contexts and so are not const; a
// worker has one thread that uses them.
struct Cookies {
    std::uint64_t id;  // unique in this process, over reloads too
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
    std::int64_t remember_me_s = 0;  // for rows of that type in sigra_sessions
};

// auth_sigra_password_checks
struct PasswordLimits {
    std::size_t running;  // per worker
    std::size_t queue = 64;
    ngx_msec_t floor_ms = 500;  // from a login's arrival to its refusal
};

// auth_sigra_password_hash
struct PasswordHash {
    std::optional<phoenix::Argon2Cost> cost;  // none: hashes stay as they are
    // The cost of checking the password for an unknown email.
    [[nodiscard]] phoenix::Argon2Cost dummy() const {
        return cost.value_or(phoenix::Argon2Cost{});
    }
};

using TrustedOrigins = std::vector<phoenix::WebOrigin>;

// auth_sigra_messages, in the order of its parameters.
using MessagesList = std::vector<phoenix::Messages>;

struct LoginTemplate;

// A location whose content handler is one of this module's.
struct Endpoint {
    enum class Kind { login, logout, renew, session, sessions };
    Kind kind = Kind::login;
    ngx_http_handler_pt handler = nullptr;  // its content handler
    bool everywhere = false;                // logout: all sessions of the user
    bool authenticated = false;  // renew: an upstream has confirmed the user
    std::string fallback;        // login: a named location, or empty
    const LoginTemplate* page = nullptr;  // login: null: the built-in one
};

// auth_sigra_verify
struct Verify {
    ngx_array_t* trusted;                   // of ngx_cidr_t; null: nobody
    ngx_http_handler_pt handler = nullptr;  // its content handler
};

// auth_sigra_lockout: failed logins lock an account.
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

// Plain data, because the directive table refers to fields by their offset.
// What the pointers lead to lives in the configuration's pool.
struct LocationConf {
    // The fields that each request through the gate reads come first.
    ngx_uint_t gate;
    ngx_uint_t preflight;
    ngx_uint_t forward;
    ngx_flag_t hide_cookies;
    ngx_uint_t cache_control;
    time_t sudo;         // 0: off
    time_t reissue_age;  // 0: off
    // Not inherited, except by an `if` and a limit_except in the location.
    const Endpoint* endpoint;
    const Verify* verify;  // null: no auth_sigra_verify; inherited as above
    // Set when the location is merged, if it looks at sessions. `ttl` is
    // `lifetimes` or the schema's default, so a level with another schema does
    // not inherit it.
    const Lifetimes* ttl;
    const Source* source;
    // The source of API tokens; null: the Authorization header is not read.
    const Source* bearer_source;
    Cookies* cookies;    // null: there is no secret, cookies are not read
    const Cache* cache;  // null: off
    const ChannelConf* listened;  // null: auth_sigra_close_on_revoke is off
    const Rules* rules;           // null: all logged-in users may pass
    // The path in login_url as it is written, and as browsers send it if that
    // differs; else empty.
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
    ngx_str_t channel;  // the revocation channel; empty: off

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
    // Cookies are not read.
    bool is_bearer_only() const {
        return bearer_source != nullptr && bearer->mode == Bearer::Mode::only;
    }
    bool looks_at_sessions() const {
        return gate != gate_off || endpoint != nullptr;
    }
};

// A named location that a directive refers to; see named_locations.hpp.
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
    std::string place;  // where it is named: the end of the error message
};

// What is known of a server's login page; see reachable_login.hpp.
struct ServerLogins {
    bool answered = false;  // some location has a handler
    ngx_str_t url{};        // where a gate redirects to; empty: nowhere
};

struct MainConf {
    // Pointers, because locations refer to the elements.
    std::vector<std::unique_ptr<Database>> databases;
    // The thread pool "default": it resolves names, and checks passwords where
    // no other is named. Set once there is a database.
    ngx_thread_pool_t* default_threads = nullptr;
    CacheConf cache;
    PruneJobs prune_jobs;
    std::map<std::string, Lifetimes> longest_lives;  // by the table's bare name
    std::vector<NamedLocation> named_locations;
    std::map<const ngx_http_core_srv_conf_t*, ServerLogins> logins;
    std::vector<NeededVariable> needed_variables;
    ngx_shm_zone_t* counters = nullptr;  // null: no auth_sigra_status
    // The configuration was reloaded, or the binary upgraded: the workers take
    // over from others, whose requests come to them all at once.
    bool takes_over = false;
    // Levels with the same settings share one object. A source's key is the
    // database, its number for the layout, and the plural.
    std::map<std::tuple<const Database*, std::size_t, std::string>, Source*>
        sources;
    // By database and users table: sessions and API tokens of the same users
    // have the same facts.
    std::map<std::string, std::unique_ptr<Facts>> facts;
    // The attributes' headers of all locations: with auth_sigra_forward on, a
    // location passes none of them on from a client.
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

// Compares the handler that runs, because another directive may have set
// another one.
inline bool is_endpoint(const ngx_http_request_t* r, const LocationConf& conf) {
    return conf.endpoint != nullptr &&
           r->content_handler == conf.endpoint->handler;
}

// The layout of the API tokens beside that of the sessions; see
// bearer_directive.cpp.
[[nodiscard]] postgres::Layout bearer_layout(const LocationConf& conf,
                                             const postgres::Layout& sessions);
// Whether the location reads the Authorization header.
[[nodiscard]] bool takes_bearer(const LocationConf& conf);

// Half the processors, at least one.
[[nodiscard]] std::size_t default_running_checks();

void* create_main_conf(ngx_conf_t* cf) noexcept;
void* create_location_conf(ngx_conf_t* cf) noexcept;
char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child) noexcept;

// An endpoint's directive, in quotes.
[[nodiscard]] std::string directive_of(Endpoint::Kind kind);

// The error message for an endpoint whose location has another content handler.
// `directive` is in quotes.
[[nodiscard]] std::string beside_another_handler(const std::string& directive);

// Logs at emerg with the file and line; always NGX_CONF_ERROR.
char* conf_error(ngx_conf_t* cf, const std::string& message);

}  // namespace sigra::nginx
