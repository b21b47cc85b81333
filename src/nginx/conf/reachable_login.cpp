#include "nginx/conf/reachable_login.hpp"

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {

// Which location answers the login URL is not known here: it may be found by a
// regular expression or a rewrite. But where no location of the server has a
// handler, none of them answers it.
void note_location(ngx_conf_t* cf, const LocationConf& conf) {
    const auto* server = static_cast<const ngx_http_core_srv_conf_t*>(
        ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module));
    const auto* core = static_cast<const ngx_http_core_loc_conf_t*>(
        ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
    ServerLogins& logins = main_conf(cf).logins[server];
    logins.answered |= core->handler != nullptr;
    if (conf.gate == gate_on && conf.endpoint == nullptr &&
        conf.unauthenticated != unauthenticated_status &&
        conf.login_path.len != 0) {
        logins.url = conf.login_url;
    }
}

void warn_of_unreachable_logins(ngx_conf_t* cf) {
    for (const auto& [server, logins] : main_conf(cf).logins) {
        if (logins.url.len != 0 && !logins.answered) {
            ngx_str_t url = logins.url;
            ngx_log_error(
                NGX_LOG_WARN, cf->log, 0,
                "\"auth_sigra on\" redirects to \"%V\", but no location of "
                "the server in %s:%ui answers it: use \"auth_sigra_login\", "
                "or \"proxy_pass\" to an application",
                &url, server->file_name, server->line);
        }
    }
}

}  // namespace sigra::nginx
