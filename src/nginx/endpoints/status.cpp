#include "nginx/endpoints/status.hpp"

#include <nlohmann/json.hpp>

#include "nginx/conf/arguments.hpp"
#include "nginx/conf/setter.hpp"
#include "nginx/endpoints/metrics.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/response.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

ngx_int_t status(ngx_http_request_t* r, bool prometheus) {
    if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
        return not_allowed(r, "GET, HEAD");
    }
    const ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }
    if (!add_header(r, "Cache-Control", "no-store")) {
        return server_error;
    }
    const auto* conf = static_cast<const MainConf*>(
        ngx_http_get_module_main_conf(r, ngx_http_auth_sigra_module));
    const Metrics metrics = read_metrics(conf->cache);
    return prometheus ? send(r, NGX_HTTP_OK, "text/plain; version=0.0.4",
                             as_prometheus(metrics))
                      : send_json(r, NGX_HTTP_OK, as_json(metrics));
}

ngx_int_t json_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error,
                   [&] { return status(r, /*prometheus=*/false); });
}

ngx_int_t prometheus_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error,
                   [&] { return status(r, /*prometheus=*/true); });
}

}  // namespace

char* set_status(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto* core = static_cast<ngx_http_core_loc_conf_t*>(
            ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
        Arguments arguments(cf, 1);
        const std::string format = arguments.text("format").value_or("json");
        if (format != "json" && format != "prometheus") {
            arguments.fail("invalid value \"" + format +
                           "\" of \"format\", it must be \"json\" or "
                           "\"prometheus\"");
        }
        if (core->handler != nullptr) {
            arguments.fail(beside_another_handler("\"auth_sigra_status\""));
        }
        core->handler = format == "json" ? json_handler : prometheus_handler;
        location(conf).status_handler = core->handler;
        if (!add_counters_zone(cf)) {
            return static_cast<char*>(NGX_CONF_ERROR);
        }
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
