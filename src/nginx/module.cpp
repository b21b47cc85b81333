// The directive table and the module's hooks.
#include "nginx/conf/cache_conf.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/named_locations.hpp"
#include "nginx/conf/needed_variables.hpp"
#include "nginx/conf/reachable_login.hpp"
#include "nginx/conf/sources.hpp"
#include "nginx/endpoints/status.hpp"
#include "nginx/gate/access.hpp"
#include "nginx/gate/filter.hpp"
#include "nginx/gate/upstream_headers.hpp"
#include "nginx/gate/variables.hpp"
#include "nginx/ngx.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_uint_t anywhere =
    NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

ngx_conf_enum_t gates[] = {{ngx_string("off"), gate_off},
                           {ngx_string("on"), gate_on},
                           {ngx_string("optional"), gate_optional},
                           {ngx_null_string, 0}};

ngx_conf_enum_t unauthenticated[] = {
    {ngx_string("auto"), unauthenticated_auto},
    {ngx_string("redirect"), unauthenticated_redirect},
    {ngx_string("status"), unauthenticated_status},
    {ngx_null_string, 0}};

ngx_conf_enum_t cache_controls[] = {
    {ngx_string("private"), cache_control_private},
    {ngx_string("no-store"), cache_control_no_store},
    {ngx_string("off"), cache_control_off},
    {ngx_null_string, 0}};

ngx_conf_enum_t secures[] = {{ngx_string("auto"), secure_auto},
                             {ngx_string("on"), secure_on},
                             {ngx_string("off"), secure_off},
                             {ngx_null_string, 0}};

ngx_conf_enum_t return_tos[] = {{ngx_string("session"), return_to_session},
                                {ngx_string("query"), return_to_query},
                                {ngx_null_string, 0}};

ngx_conf_enum_t forwards[] = {{ngx_string("off"), forward_off},
                              {ngx_string("on"), forward_on},
                              {ngx_string("encoded"), forward_encoded},
                              {ngx_null_string, 0}};

ngx_conf_enum_t preflights[] = {{ngx_string("deny"), preflight_deny},
                                {ngx_string("pass"), preflight_pass},
                                {ngx_null_string, 0}};

using Setter = char* (*)(ngx_conf_t*, ngx_command_t*, void*);

constexpr ngx_command_t directive(const ngx_str_t& name, ngx_uint_t type,
                                  Setter set, std::size_t offset = 0,
                                  void* post = nullptr) {
    return {name, type, set, NGX_HTTP_LOC_CONF_OFFSET, offset, post};
}

#define FIELD(name) offsetof(LocationConf, name)

ngx_command_t commands[] = {
    directive(ngx_string("auth_sigra"),
              anywhere | NGX_HTTP_LMT_CONF | NGX_CONF_TAKE1, set_keyword,
              FIELD(gate), gates),
    directive(ngx_string("auth_sigra_postgres"), anywhere | NGX_CONF_1MORE,
              set_postgres),
    directive(ngx_string("auth_sigra_schema"), anywhere | NGX_CONF_1MORE,
              set_schema),
    directive(ngx_string("auth_sigra_secret_key_base"),
              anywhere | NGX_CONF_TAKE1, set_secret),
    directive(ngx_string("auth_sigra_session_cookie"),
              anywhere | NGX_CONF_1MORE, set_session_cookie),
    directive(ngx_string("auth_sigra_remember_me_cookie"),
              anywhere | NGX_CONF_1MORE, set_remember_me_cookie),
    directive(ngx_string("auth_sigra_cookie_domain"), anywhere | NGX_CONF_TAKE1,
              set_cookie_domain, FIELD(cookie_domain)),
    directive(ngx_string("auth_sigra_cookie_secure"), anywhere | NGX_CONF_TAKE1,
              set_cookie_secure, FIELD(secure), secures),
    directive(ngx_string("auth_sigra_session_ttl"), anywhere | NGX_CONF_TAKE12,
              set_session_ttl),
    directive(ngx_string("auth_sigra_bearer"), anywhere | NGX_CONF_1MORE,
              set_bearer),
    directive(ngx_string("auth_sigra_unauthenticated"),
              anywhere | NGX_HTTP_LMT_CONF | NGX_CONF_TAKE1, set_keyword,
              FIELD(unauthenticated), unauthenticated),
    directive(ngx_string("auth_sigra_login_url"), anywhere | NGX_CONF_TAKE1,
              set_url, FIELD(login_url)),
    directive(ngx_string("auth_sigra_return_to"), anywhere | NGX_CONF_TAKE1,
              set_keyword, FIELD(return_to), return_tos),
    directive(ngx_string("auth_sigra_idle_timeout"), anywhere | NGX_CONF_TAKE1,
              set_time_or_off, FIELD(idle_timeout)),
    directive(ngx_string("auth_sigra_forward"), anywhere | NGX_CONF_TAKE1,
              set_keyword, FIELD(forward), forwards),
    directive(ngx_string("auth_sigra_hide_cookies"), anywhere | NGX_CONF_FLAG,
              ngx_conf_set_flag_slot, FIELD(hide_cookies)),
    directive(ngx_string("auth_sigra_preflight"), anywhere | NGX_CONF_TAKE1,
              set_keyword, FIELD(preflight), preflights),
    directive(ngx_string("auth_sigra_cache_control"), anywhere | NGX_CONF_TAKE1,
              set_keyword, FIELD(cache_control), cache_controls),
    directive(ngx_string("auth_sigra_sudo"),
              anywhere | NGX_HTTP_LMT_CONF | NGX_CONF_TAKE1, set_time_or_off,
              FIELD(sudo)),
    directive(ngx_string("auth_sigra_login"), NGX_HTTP_LOC_CONF | NGX_CONF_ANY,
              set_login),
    directive(ngx_string("auth_sigra_logout"),
              NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, set_logout),
    directive(ngx_string("auth_sigra_renew"),
              NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, set_renew),
    directive(ngx_string("auth_sigra_session"),
              NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_session),
    directive(ngx_string("auth_sigra_sessions"),
              NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS, set_sessions),
    directive(ngx_string("auth_sigra_verify"), NGX_HTTP_LOC_CONF | NGX_CONF_ANY,
              set_verify),
    directive(ngx_string("auth_sigra_signed_in_url"), anywhere | NGX_CONF_TAKE1,
              set_url, FIELD(signed_in_url)),
    directive(ngx_string("auth_sigra_logged_out_url"),
              anywhere | NGX_CONF_TAKE1, set_url, FIELD(logged_out_url)),
    directive(ngx_string("auth_sigra_second_factor"), anywhere | NGX_CONF_TAKE2,
              set_second_factor),
    directive(ngx_string("auth_sigra_lockout"), anywhere | NGX_CONF_TAKE12,
              set_lockout),
    directive(ngx_string("auth_sigra_reissue_age"), anywhere | NGX_CONF_TAKE1,
              set_time_or_off, FIELD(reissue_age)),
    directive(ngx_string("auth_sigra_prune"), anywhere | NGX_CONF_TAKE12,
              set_prune),
    directive(ngx_string("auth_sigra_thread_pool"), anywhere | NGX_CONF_TAKE1,
              set_thread_pool),
    directive(ngx_string("auth_sigra_password_checks"),
              anywhere | NGX_CONF_1MORE, set_password_checks),
    directive(ngx_string("auth_sigra_password_hash"), anywhere | NGX_CONF_1MORE,
              set_password_hash),
    directive(ngx_string("auth_sigra_require"),
              anywhere | NGX_HTTP_LMT_CONF | NGX_CONF_1MORE, set_require),
    directive(ngx_string("auth_sigra_attribute"), anywhere | NGX_CONF_2MORE,
              set_attribute),
    directive(ngx_string("auth_sigra_trusted_origins"),
              anywhere | NGX_CONF_1MORE, set_trusted_origins),
    directive(ngx_string("auth_sigra_messages"), anywhere | NGX_CONF_1MORE,
              set_messages),
    directive(ngx_string("auth_sigra_cache"), anywhere | NGX_CONF_1MORE,
              set_cache),
    directive(ngx_string("auth_sigra_close_on_revoke"),
              anywhere | NGX_CONF_FLAG, ngx_conf_set_flag_slot,
              FIELD(close_on_revoke)),
    directive(ngx_string("auth_sigra_status"),
              NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1, set_status),
    directive(ngx_string("auth_sigra_revocation_channel"),
              anywhere | NGX_CONF_TAKE1, set_revocation_channel),
    ngx_null_command,
};

#undef FIELD

ngx_http_handler_pt* add_handler(ngx_conf_t* cf, ngx_http_phases phase) {
    auto* core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    return static_cast<ngx_http_handler_pt*>(
        ngx_array_push(&core->phases[phase].handlers));
}

// Makes the handler the last to run: nginx runs a phase's handlers from the
// last element of the array to the first.
bool add_last_handler(ngx_conf_t* cf, ngx_http_phases phase,
                      ngx_http_handler_pt handler) {
    if (add_handler(cf, phase) == nullptr) {
        return false;
    }
    auto* core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    ngx_array_t& array = core->phases[phase].handlers;
    auto* handlers = static_cast<ngx_http_handler_pt*>(array.elts);
    std::memmove(handlers + 1, handlers, (array.nelts - 1) * sizeof(*handlers));
    handlers[0] = handler;
    return true;
}

ngx_int_t postconfiguration(ngx_conf_t* cf) noexcept {
    MainConf& conf = main_conf(cf);
    const bool shared = guarded(cf->log, false, [&] {
        share_facts(cf);
        return true;
    });
    if (!shared || !check_zones(cf, conf.cache) || !check_named_locations(cf) ||
        !check_needed_variables(cf)) {
        return NGX_ERROR;
    }
    conf.takes_over =
        ngx_inherited != 0 || !ngx_is_init_cycle(cf->cycle->old_cycle);
    warn_of_unreachable_logins(cf);
    warn_of_unknown_attributes(cf);
    ngx_http_handler_pt* preaccess = add_handler(cf, NGX_HTTP_PREACCESS_PHASE);
    if (preaccess == nullptr ||
        !add_last_handler(cf, NGX_HTTP_ACCESS_PHASE, access_handler) ||
        !add_last_handler(cf, NGX_HTTP_PRECONTENT_PHASE, precontent_handler)) {
        return NGX_ERROR;
    }
    *preaccess = preaccess_handler;
    install_header_filter();
    return NGX_OK;
}

ngx_http_module_t context = {
    add_variables, postconfiguration, create_main_conf,     nullptr,
    nullptr,       nullptr,           create_location_conf, merge_location_conf,
};

}  // namespace
}  // namespace sigra::nginx

extern "C" {

__attribute__((visibility("default")))
ngx_module_t ngx_http_auth_sigra_module = {
    NGX_MODULE_V1,
    &sigra::nginx::context,
    sigra::nginx::commands,
    NGX_HTTP_MODULE,
    nullptr,                                 // init master
    sigra::nginx::let_headers_be_read_anew,  // init module
    sigra::nginx::init_worker,               // init process
    nullptr,                                 // init thread
    nullptr,                                 // exit thread
    sigra::nginx::exit_worker,               // exit process
    nullptr,                                 // exit master
    NGX_MODULE_V1_PADDING,
};
}
