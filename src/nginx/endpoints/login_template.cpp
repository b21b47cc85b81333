#include "nginx/endpoints/login_template.hpp"

#include <algorithm>

#include "nginx/conf/needed_variables.hpp"

namespace sigra::nginx {
namespace {

using Kind = LoginTemplate::Kind;

bool is_letter(char c) {
    return c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

bool is_name_part(char c) {
    return is_letter(c) || (c >= '0' && c <= '9');
}

std::size_t name_length(std::string_view text) {
    if (text.empty() || !is_letter(text.front())) {
        return 0;
    }
    return static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), is_name_part) -
        text.begin());
}

Kind kind_of(std::string_view name) {
    if (name == "auth_sigra_csrf_token") {
        return Kind::csrf_token;
    }
    if (name == "auth_sigra_flash_info") {
        return Kind::flash_info;
    }
    if (name == "auth_sigra_flash_error") {
        return Kind::flash_error;
    }
    if (name == "auth_sigra_flash_email") {
        return Kind::flash_email;
    }
    return Kind::variable;
}

void add_literal(LoginTemplate& out, std::string_view text) {
    if (text.empty()) {
        return;
    }
    if (out.parts.empty() || out.parts.back().kind != Kind::literal) {
        out.parts.push_back({Kind::literal, {}});
    }
    out.parts.back().text += text;
}

// nginx stores the name as given and compares it in lower case.
bool add_variable(ngx_conf_t* cf, LoginTemplate& out, std::string_view name,
                  std::string_view file, ngx_uint_t line) {
    ngx_str_t kept = copy(cf->pool, name);
    if (kept.data == nullptr) {
        return false;
    }
    ngx_strlow(kept.data, kept.data, kept.len);
    ngx_int_t index = ngx_http_get_variable_index(cf, &kept);
    if (index == NGX_ERROR) {
        return false;
    }
    need_variable(cf, view(kept), file, line);
    out.parts.push_back({kind_of(view(kept)), {}, index});
    return true;
}

std::string_view value_of(ngx_http_request_t* r,
                          const LoginTemplate::Part& part,
                          const phoenix::LoginPage& page) {
    switch (part.kind) {
        case Kind::literal:
            return part.text;
        case Kind::csrf_token:
            return page.csrf_token;
        case Kind::flash_info:
            return page.flash_info;
        case Kind::flash_error:
            return page.flash_error;
        case Kind::flash_email:
            return page.email;
        case Kind::variable:
            break;
    }
    const ngx_http_variable_value_t* value =
        ngx_http_get_flushed_variable(r, static_cast<ngx_uint_t>(part.index));
    if (value == nullptr || value->not_found) {
        return {};
    }
    return {reinterpret_cast<const char*>(value->data), value->len};
}

}  // namespace

LoginTemplate* parse_template(ngx_conf_t* cf, std::string_view text,
                              std::string_view file, std::string& error) {
    const char* counted = text.data();
    ngx_uint_t line = 1;
    auto* out = pool_make<LoginTemplate>(cf->pool);
    if (out == nullptr) {
        error = "out of memory";
        return nullptr;
    }
    while (!text.empty()) {
        std::size_t dollar = text.find('$');
        add_literal(*out, text.substr(0, dollar));
        if (dollar == std::string_view::npos) {
            break;
        }
        std::string_view rest = text.substr(dollar + 1);
        const bool braced = rest.starts_with('{');
        rest.remove_prefix(braced ? 1 : 0);
        const std::string_view name = rest.substr(0, name_length(rest));
        rest.remove_prefix(name.size());
        if (name.empty()) {
            add_literal(*out, braced ? "${" : "$");
            text = rest;
            continue;
        }
        line += static_cast<ngx_uint_t>(std::count(counted, name.data(), '\n'));
        counted = name.data();
        if (braced && !rest.starts_with('}')) {
            error = "the closing bracket of \"${" + std::string(name) +
                    "\" is missing in " + std::string(file) + ":" +
                    std::to_string(line);
            return nullptr;
        }
        if (!add_variable(cf, *out, name, file, line)) {
            error = "cannot use the variable \"" + std::string(name) + "\"";
            return nullptr;
        }
        text = rest.substr(braced ? 1 : 0);
    }
    return out;
}

std::string render_template(ngx_http_request_t* r, const LoginTemplate& parsed,
                            const phoenix::LoginPage& page) {
    std::string out;
    for (const LoginTemplate::Part& part : parsed.parts) {
        std::string_view value = value_of(r, part, page);
        if (part.kind == Kind::literal) {
            out += value;
        } else {
            out += phoenix::escape_html(value);
        }
    }
    return out;
}

}  // namespace sigra::nginx
