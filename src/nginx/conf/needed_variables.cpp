#include "nginx/conf/needed_variables.hpp"

#include <algorithm>
#include <span>

#include "nginx/conf/conf.hpp"

namespace sigra::nginx {
namespace {

constexpr std::string_view attribute_variable = "auth_sigra_attribute_";

template <class T>
std::span<const T> items(const ngx_array_t& array) {
    return {static_cast<const T*>(array.elts), array.nelts};
}

std::string lower(std::string_view s) {
    std::string out(s);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return static_cast<char>(ngx_tolower(static_cast<u_char>(c)));
    });
    return out;
}

const ngx_http_core_main_conf_t& core_conf(ngx_conf_t* cf) {
    return *static_cast<const ngx_http_core_main_conf_t*>(
        ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
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

// Whether the attribute of that name is sent in this header.
bool is_variable_of(std::string_view name, const std::string& header) {
    constexpr std::string_view before = "X-Auth-";
    std::string of_header = lower(header.substr(before.size()));
    std::replace(of_header.begin(), of_header.end(), '-', '_');
    return name == of_header;
}

}  // namespace

void need_variable(ngx_conf_t* cf, std::string_view name) {
    const auto* words = static_cast<const ngx_str_t*>(cf->args->elts);
    main_conf(cf).needed_variables.push_back(
        {lower(name), "in \"" + std::string(view(words[0])) +
                          "\" directive in " +
                          std::string(view(cf->conf_file->file.name)) + ":" +
                          std::to_string(cf->conf_file->line)});
}

void need_variable(ngx_conf_t* cf, std::string_view name, std::string_view file,
                   ngx_uint_t line) {
    main_conf(cf).needed_variables.push_back(
        {lower(name), "in " + std::string(file) + ":" + std::to_string(line) +
                          ", the template of \"auth_sigra_login\""});
}

bool check_needed_variables(ngx_conf_t* cf) {
    for (const NeededVariable& needed : main_conf(cf).needed_variables) {
        if (!is_known(core_conf(cf), needed.name)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown \"%s\" variable %s", needed.name.c_str(),
                          needed.place.c_str());
            return false;
        }
    }
    return true;
}

void warn_of_unknown_attributes(ngx_conf_t* cf) {
    const auto& headers = main_conf(cf).attribute_headers;
    for (const auto& variable :
         items<ngx_http_variable_t>(core_conf(cf).variables)) {
        std::string_view name = view(variable.name);
        if (!name.starts_with(attribute_variable)) {
            continue;
        }
        name.remove_prefix(attribute_variable.size());
        if (std::none_of(headers.begin(), headers.end(),
                         [&](const std::string& header) {
                             return is_variable_of(name, header);
                         })) {
            ngx_str_t whole = variable.name;
            ngx_str_t attribute = as_ngx_str(name);
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"$%V\" is always empty: no "
                          "\"auth_sigra_attribute\" has the name \"%V\"",
                          &whole, &attribute);
        }
    }
}

}  // namespace sigra::nginx
