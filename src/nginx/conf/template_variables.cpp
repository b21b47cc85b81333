#include "nginx/conf/template_variables.hpp"

#include <algorithm>
#include <span>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {
namespace {

template <class T>
std::span<const T> items(const ngx_array_t& array) {
    return {static_cast<const T*>(array.elts), array.nelts};
}

bool is_known(const ngx_http_core_main_conf_t& core, std::string_view name) {
    const auto keys = items<ngx_hash_key_t>(core.variables_keys->keys);
    const auto prefixes = items<ngx_http_variable_t>(core.prefix_variables);
    return std::any_of(keys.begin(), keys.end(),
                       [&](const ngx_hash_key_t& key) {
                           return view(key.key) == name;
                       }) ||
           std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const ngx_http_variable_t& prefix) {
                           return name.starts_with(view(prefix.name));
                       });
}

}  // namespace

void need_variable(ngx_conf_t* cf, std::string_view name, std::string_view file,
                   ngx_uint_t line) {
    main_conf(cf).template_variables.push_back(
        {std::string(name), std::string(file), line});
}

bool check_template_variables(ngx_conf_t* cf) {
    const auto* core = static_cast<const ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
    for (const TemplateVariable& asked : main_conf(cf).template_variables) {
        if (!is_known(*core, asked.name)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown \"%s\" variable in %s:%ui, the template of "
                          "\"auth_sigra_login\"",
                          asked.name.c_str(), asked.file.c_str(), asked.line);
            return false;
        }
    }
    return true;
}

}  // namespace sigra::nginx
