#include "nginx/conf/conf.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include "nginx/conf/cookie_rules.hpp"
#include "nginx/conf/reachable_login.hpp"
#include "nginx/conf/sources.hpp"
#include "phoenix/form.hpp"

namespace sigra::nginx {
namespace {

constexpr std::int64_t day = 86400;
// The grace period of a replaced token. With a shorter age, one grace period
// could begin within another, and a log-out ends only the last one.
constexpr time_t min_reissue_age = 60;
// Holds the largest form even in chunks of one byte each.
constexpr std::size_t body_buffer_size = 8 * phoenix::max_form_size;

// The defaults, where neither a level nor one above it has the directive.
const Schema default_schema{};
const SessionCookie default_session_cookie{};
const RememberMeCookie default_remember_cookie{};
const TrustedOrigins no_trusted_origins{};
const PasswordHash default_password_hash{};
const Bearer default_bearer{};
const CacheSetting default_cache{};

const Lifetimes& default_lifetimes(postgres::LayoutKind kind) {
    static const Lifetimes sigra{60 * day, 60 * day};
    static const Lifetimes phx_gen_auth{14 * day, 14 * day};
    static const Lifetimes sigra_sessions{day, 60 * day};
    switch (kind) {
        case postgres::LayoutKind::sigra:
            return sigra;
        case postgres::LayoutKind::phx_gen_auth:
            return phx_gen_auth;
        case postgres::LayoutKind::sigra_sessions:
            return sigra_sessions;
    }
    return sigra;
}

// A function, because the number of processors is known only when nginx runs.
const PasswordLimits& default_password_limits() {
    static const PasswordLimits limits{default_running_checks()};
    return limits;
}

template <class T>
void inherit(const T*& own, const T* parent) {
    if (own == nullptr) {
        own = parent;
    }
}

std::string_view path_of(std::string_view url) {
    return url.starts_with('/') ? url.substr(0, url.find_first_of("?#"))
                                : std::string_view();
}

// The path as browsers send it when they find it in a Location header; empty:
// as it is.
ngx_str_t as_sent(ngx_pool_t* pool, std::string_view path) {
    std::string sent;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f &&
            std::string_view("\"<>^`{}").find(c) == std::string_view::npos) {
            sent += c;
            continue;
        }
        constexpr std::string_view digits = "0123456789ABCDEF";
        sent += '%';
        sent += digits[byte >> 4];
        sent += digits[byte & 15];
    }
    if (sent == path) {
        return {};
    }
    const ngx_str_t out = copy(pool, sent);
    if (out.data == nullptr) {
        throw std::bad_alloc();
    }
    return out;
}

// The directive that needs the other ones.
std::string needing(const LocationConf& conf) {
    return conf.endpoint == nullptr ? "\"auth_sigra\""
                                    : directive_of(conf.endpoint->kind);
}

char* check_and_compile(ngx_conf_t* cf, LocationConf& conf) {
    if (conf.database == nullptr) {
        return conf_error(cf, needing(conf) +
                                  " needs a database: say which with "
                                  "\"auth_sigra_postgres\" here or above");
    }
    const postgres::Layout layout = layout_of(conf);
    if (takes_bearer(conf)) {
        conf.bearer_source = make_source(cf, conf, bearer_layout(conf, layout));
    }
    if (conf.secrets == nullptr && !conf.is_bearer_only()) {
        return conf_error(cf,
                          needing(conf) +
                              " needs a secret: give the application's with "
                              "\"auth_sigra_secret_key_base\" here or above");
    }
    // Only its rows tell when a session was last active.
    if (conf.idle_timeout > 0 &&
        conf.schema->layout.kind != postgres::LayoutKind::sigra_sessions) {
        return conf_error(cf,
                          "\"auth_sigra_idle_timeout\" needs "
                          "\"auth_sigra_schema\" sigra_sessions; say "
                          "\"auth_sigra_idle_timeout off\" here");
    }
    if (conf.reissue_age > 0 && conf.reissue_age < min_reissue_age) {
        return conf_error(cf,
                          "\"auth_sigra_reissue_age\" must be at least 1m: a "
                          "token that was replaced stays valid that long");
    }
    if (std::string error = cookie_error(conf); !error.empty()) {
        return conf_error(cf, error);
    }
    if (conf.password_threads == nullptr) {
        conf.password_threads = main_conf(cf).default_threads;
    }
    conf.source = make_source(cf, conf, layout);
    conf.cookies = conf.secrets == nullptr ? nullptr : make_cookies(cf, conf);
    if (conf.source == nullptr ||
        (conf.cookies == nullptr && conf.secrets != nullptr) ||
        (conf.bearer_source == nullptr && takes_bearer(conf))) {
        return static_cast<char*>(NGX_CONF_ERROR);
    }
    if (conf.cookies != nullptr && (conf.cookies->session_sealer.empty() ||
                                    conf.cookies->remember_sealer.empty())) {
        return conf_error(cf, "cannot derive the cookies' keys");
    }
    add_to_prune(cf, conf);
    if (char* error = compile_rules(cf, conf); error != NGX_CONF_OK) {
        return error;
    }
    return compile_cache(cf, conf);
}

void merge_plain(LocationConf& conf, const LocationConf& prev) {
    ngx_conf_merge_uint_value(conf.gate, prev.gate, gate_off);
    ngx_conf_merge_uint_value(conf.unauthenticated, prev.unauthenticated,
                              unauthenticated_auto);
    ngx_conf_merge_uint_value(conf.cache_control, prev.cache_control,
                              cache_control_private);
    ngx_conf_merge_uint_value(conf.preflight, prev.preflight, preflight_deny);
    ngx_conf_merge_uint_value(conf.return_to, prev.return_to,
                              return_to_session);
    if (conf.secure == NGX_CONF_UNSET_UINT) {
        conf.secure_value = prev.secure_value;
    }
    ngx_conf_merge_uint_value(conf.secure, prev.secure, secure_auto);
    ngx_conf_merge_uint_value(conf.forward, prev.forward, forward_off);
    ngx_conf_merge_value(conf.hide_cookies, prev.hide_cookies, 0);
    ngx_conf_merge_value(conf.close_on_revoke, prev.close_on_revoke, 0);
    ngx_conf_merge_sec_value(conf.sudo, prev.sudo, 0);
    ngx_conf_merge_sec_value(conf.reissue_age, prev.reissue_age, 0);
    ngx_conf_merge_sec_value(conf.idle_timeout, prev.idle_timeout,
                             NGX_CONF_UNSET);
    ngx_conf_merge_str_value(conf.login_url, prev.login_url, "/users/log-in");
    ngx_conf_merge_str_value(conf.signed_in_url, prev.signed_in_url, "/");
    ngx_conf_merge_str_value(conf.logged_out_url, prev.logged_out_url, "/");
    ngx_conf_merge_str_value(conf.cookie_domain, prev.cookie_domain, "");
    ngx_conf_merge_str_value(conf.channel, prev.channel, "auth_sigra_revoked");
}

void merge_pointers(LocationConf& conf, const LocationConf& prev) {
    inherit(conf.database, prev.database);
    inherit(conf.schema, prev.schema);
    inherit(conf.secrets, prev.secrets);
    inherit(conf.bearer, prev.bearer);
    inherit(conf.session_cookie, prev.session_cookie);
    inherit(conf.remember_cookie, prev.remember_cookie);
    inherit(conf.lifetimes, prev.lifetimes);
    inherit(conf.trusted_origins, prev.trusted_origins);
    inherit(conf.password_checks, prev.password_checks);
    inherit(conf.password_hash, prev.password_hash);
    if (conf.password_threads == nullptr) {
        conf.password_threads = prev.password_threads;
    }
    inherit(conf.cache_setting, prev.cache_setting);
    inherit(conf.prune, prev.prune);
    inherit(conf.lockout, prev.lockout);
    inherit(conf.second_factor, prev.second_factor);
    inherit(conf.require, prev.require);
    inherit(conf.attributes, prev.attributes);
    inherit(conf.messages, prev.messages);
}

// Also makes sure that a password is read into memory and never into a file,
// whatever the level above says about request bodies.
char* merge_endpoint(ngx_conf_t* cf, LocationConf& conf,
                     const LocationConf& prev) {
    auto* core = static_cast<ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    // Not for an `if` with a handler of its own (proxy_pass).
    if (core->noname && core->handler == nullptr && prev.endpoint != nullptr) {
        conf.endpoint = prev.endpoint;
        core->handler = conf.endpoint->handler;
    }
    if (core->noname && core->handler == nullptr && prev.verify != nullptr) {
        conf.verify = prev.verify;
        core->handler = conf.verify->handler;
    }
    if (conf.verify != nullptr && core->handler != conf.verify->handler) {
        return conf_error(cf, beside_another_handler("\"auth_sigra_verify\""));
    }
    if (conf.status_handler != nullptr &&
        core->handler != conf.status_handler) {
        return conf_error(cf, beside_another_handler("\"auth_sigra_status\""));
    }
    if (conf.endpoint == nullptr) {
        return NGX_CONF_OK;
    }
    if (core->handler != conf.endpoint->handler) {
        return conf_error(cf, beside_another_handler(needing(conf)));
    }
    constexpr off_t largest = phoenix::max_form_size;
    if (core->client_max_body_size == 0 ||
        core->client_max_body_size > largest) {
        core->client_max_body_size = largest;
    }
    core->client_body_buffer_size = body_buffer_size;
    core->client_body_in_file_only = 0;
    return NGX_CONF_OK;
}

void warn(ngx_conf_t* cf, const char* directive, const char* problem) {
    const auto* core = static_cast<const ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    ngx_str_t name = core->name;
    ngx_log_error(NGX_LOG_WARN, cf->log, 0, "\"%s\" in location \"%V\" %s",
                  directive, &name, problem);
}

// False for the server level, whose directives may be meant for its locations.
bool is_location(ngx_conf_t* cf) {
    const auto* core = static_cast<const ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    return core->name.len != 0 || core->noname;
}

// Warns of such a directive in a location where it protects nothing.
void warn_of_idle(ngx_conf_t* cf, const LocationConf& conf,
                  const char* directive) {
    if (is_location(cf) && conf.gate != gate_on && conf.endpoint == nullptr) {
        warn(cf, directive,
             "has no effect: \"auth_sigra\" is not \"on\" there");
    }
}

// Warns of a location that no request can pass.
void warn_of_closed(ngx_conf_t* cf, const LocationConf& conf) {
    if (conf.verify != nullptr && conf.gate == gate_off) {
        warn(cf, "auth_sigra_verify",
             "answers 401 to everybody: \"auth_sigra\" is \"off\" there");
    }
    if (is_location(cf) && conf.gate == gate_on && conf.endpoint == nullptr &&
        conf.sudo > 0 && conf.bearer->mode == Bearer::Mode::only) {
        warn(cf, "auth_sigra_sudo",
             "lets nobody in: \"auth_sigra_bearer only\" accepts only API "
             "tokens, and these never count as a fresh login");
    }
}

void fill_in(ngx_conf_t* cf, LocationConf& conf) {
    inherit(conf.schema, &default_schema);
    inherit(conf.session_cookie, &default_session_cookie);
    inherit(conf.remember_cookie, &default_remember_cookie);
    inherit(conf.trusted_origins, &no_trusted_origins);
    inherit(conf.password_checks, &default_password_limits());
    inherit(conf.password_hash, &default_password_hash);
    inherit(conf.cache_setting, &default_cache);
    inherit(conf.bearer, &default_bearer);
    conf.ttl = conf.lifetimes != nullptr
                   ? conf.lifetimes
                   : &default_lifetimes(conf.schema->layout.kind);
    conf.login_path = as_ngx_str(path_of(view(conf.login_url)));
    conf.sent_login_path = as_sent(cf->pool, view(conf.login_path));
}

}  // namespace

Secrets::~Secrets() {
    for (std::string& value : values) {
        phoenix::wipe(value);
    }
}

std::size_t default_running_checks() {
    return static_cast<std::size_t>(std::max<ngx_int_t>(ngx_ncpu / 2, 1));
}

char* conf_error(ngx_conf_t* cf, const std::string& message) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", message.c_str());
    return static_cast<char*>(NGX_CONF_ERROR);
}

std::string directive_of(Endpoint::Kind kind) {
    switch (kind) {
        case Endpoint::Kind::login:
            return "\"auth_sigra_login\"";
        case Endpoint::Kind::logout:
            return "\"auth_sigra_logout\"";
        case Endpoint::Kind::renew:
            return "\"auth_sigra_renew\"";
        case Endpoint::Kind::session:
            return "\"auth_sigra_session\"";
        case Endpoint::Kind::sessions:
            return "\"auth_sigra_sessions\"";
    }
    return {};
}

std::string beside_another_handler(const std::string& directive) {
    return directive +
           " shares its location with another directive that answers "
           "requests, \"proxy_pass\" or the like, and nginx would run only "
           "one: "
           "give each a location of its own";
}

void* create_main_conf(ngx_conf_t* cf) noexcept {
    return guarded(cf->log, static_cast<void*>(nullptr),
                   [&]() -> void* { return pool_make<MainConf>(cf->pool); });
}

void* create_location_conf(ngx_conf_t* cf) noexcept {
    auto* conf =
        static_cast<LocationConf*>(ngx_pcalloc(cf->pool, sizeof(LocationConf)));
    if (conf == nullptr) {
        return nullptr;
    }
    for (ngx_uint_t* field :
         {&conf->gate, &conf->unauthenticated, &conf->cache_control,
          &conf->preflight, &conf->secure, &conf->return_to, &conf->forward}) {
        *field = NGX_CONF_UNSET_UINT;
    }
    conf->hide_cookies = conf->close_on_revoke = NGX_CONF_UNSET;
    conf->sudo = conf->idle_timeout = conf->reissue_age = NGX_CONF_UNSET;
    return conf;
}

char* merge_location_conf(ngx_conf_t* cf, void* parent, void* child) noexcept {
    return guarded(cf->log, static_cast<char*>(NGX_CONF_ERROR), [&]() -> char* {
        auto& prev = *static_cast<LocationConf*>(parent);
        auto& conf = *static_cast<LocationConf*>(child);
        const Requirements* own_require = conf.require;
        const Bearer* own_bearer = conf.bearer;
        merge_plain(conf, prev);
        merge_pointers(conf, prev);
        if (char* error = merge_endpoint(cf, conf, prev);
            error != NGX_CONF_OK) {
            return error;
        }
        fill_in(cf, conf);
        note_location(cf, conf);
        if (own_require != nullptr && !own_require->off) {
            warn_of_idle(cf, conf, "auth_sigra_require");
        }
        if (own_bearer != nullptr && own_bearer->mode == Bearer::Mode::only) {
            warn_of_idle(cf, conf, "auth_sigra_bearer only");
        }
        warn_of_closed(cf, conf);
        return conf.looks_at_sessions() ? check_and_compile(cf, conf)
                                        : NGX_CONF_OK;
    });
}

}  // namespace sigra::nginx
