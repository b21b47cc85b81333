#include "nginx/conf/named_locations.hpp"

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {
namespace {

bool has(const ngx_http_core_srv_conf_t& server, std::string_view name) {
    // `auto`, because the elements have another type in Angie.
    auto* location = server.named_locations;
    for (; location != nullptr && *location != nullptr; location++) {
        if (view((*location)->name) == name) {
            return true;
        }
    }
    return false;
}

}  // namespace

void need_named_location(ngx_conf_t* cf, std::string_view name) {
    const auto* words = static_cast<const ngx_str_t*>(cf->args->elts);
    main_conf(cf).named_locations.push_back(
        {static_cast<ngx_http_core_srv_conf_t*>(
             ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module)),
         std::string(name), std::string(view(words[0])),
         std::string(view(cf->conf_file->file.name)), cf->conf_file->line});
}

bool check_named_locations(ngx_conf_t* cf) {
    for (const NamedLocation& asked : main_conf(cf).named_locations) {
        if (!has(*asked.server, asked.name)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"%s\" refers to \"%s\", but this server has no "
                          "\"location %s\" in %s:%ui",
                          asked.directive.c_str(), asked.name.c_str(),
                          asked.name.c_str(), asked.file.c_str(), asked.line);
            return false;
        }
    }
    return true;
}

}  // namespace sigra::nginx
