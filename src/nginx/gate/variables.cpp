#include "nginx/gate/variables.hpp"

#include <algorithm>
#include <string>

#include "nginx/gate/authenticated_at.hpp"
#include "nginx/gate/facts.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/csrf.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {
namespace {

enum Which : uintptr_t {
    user_id,
    email,
    authenticated_at,
    csrf_token,
    flash_info,
    flash_error,
    flash_email,
    session,
    status,
    login,
    login_email,
};

// Until the response's header is sent, the session that its page shows, so that
// a page and variables made of these agree.
phoenix::Session told(const Visit& visit) {
    const Outbox& outbox = visit.outbox;
    if (outbox.sent || outbox.shown.len == 0) {
        return session_of(visit);
    }
    return phoenix::Session::decode(view(outbox.shown))
        .value_or(phoenix::Session());
}

std::string value_of(const Visit& visit, Which which) {
    const Verdict& verdict = visit.verdict;
    const Identity& identity = verdict.looked_up.identity;
    switch (which) {
        case user_id:
            if (visit.acted_id.len != 0) {
                return std::string(view(visit.acted_id));
            }
            return std::string(verdict.identified ? view(identity.user_id)
                                                  : "");
        case email:
            if (visit.acted_id.len != 0) {
                return std::string(view(visit.acted_email));
            }
            return std::string(verdict.identified ? view(identity.email) : "");
        case authenticated_at:
            return verdict.identified && identity.authenticated_at
                       ? format_authenticated_at(*identity.authenticated_at)
                       : "";
        case csrf_token:
            return phoenix::mask_csrf(
                told(visit).binary(phoenix::csrf_key).value_or(""));
        case flash_info:
            return std::string(told(visit).flash("info").value_or(""));
        case flash_error:
            return std::string(told(visit).flash("error").value_or(""));
        case flash_email:
            return std::string(told(visit).flash("email").value_or(""));
        case session:
            return verdict.has_token
                       ? phoenix::hex_encode({verdict.token_hash.data(), 8})
                       : "";
        case status:
            return std::string(name(verdict.status));
        case login:
            return std::string(name(visit.login));
        case login_email:
            return std::string(view(visit.login_email));
    }
    return {};
}

// By the attributes of the location that judged last.
std::string attribute_of(const Visit& visit, std::string_view name) {
    const Verdict& verdict = visit.verdict;
    if (!verdict.identified || verdict.rules == nullptr) {
        return {};
    }
    const std::size_t* number = verdict.rules->find(name);
    return number == nullptr
               ? std::string()
               : std::string(
                     attribute_at(view(verdict.looked_up.attributes), *number)
                         .value_or(""));
}

// A value of the users row may be whatever the user has typed, and nginx puts
// variables into headers as they are. A line feed would start another header,
// or end the headers and leave another user's email behind.
bool has_control_character(std::string_view value) {
    return std::any_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7f;
    });
}

// The reader of a header strips these, and what is left may name another user.
bool has_blank_at_an_end(std::string_view value) {
    return value.starts_with(' ') || value.ends_with(' ');
}

// An empty value, rather than a part of it. Logged once per request, because a
// configuration may use the variable in many places.
std::string leave_empty(const ngx_http_request_t* r, Visit& visit,
                        std::string_view name) {
    if (!visit.told_of_variable) {
        visit.told_of_variable = true;
        ngx_str_t variable = as_ngx_str(name);
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "auth_sigra: the value of $%V has a control character, "
                      "or a blank at its start or end: the variable is empty",
                      &variable);
    }
    return {};
}

ngx_int_t put(ngx_http_request_t* r, ngx_http_variable_value_t* out,
              const std::string& value) {
    if (value.empty()) {
        return NGX_OK;
    }
    ngx_str_t kept = copy(r->pool, value);
    if (kept.data == nullptr) {
        return NGX_ERROR;
    }
    out->data = kept.data;
    out->len = static_cast<unsigned>(kept.len);
    out->valid = 1;
    out->not_found = 0;
    // The value may be another one after the access phase.
    out->no_cacheable = 1;
    return NGX_OK;
}

// The visit whose verdict the variables show: the main request's. While
// auth_sigra_require evaluates variables for a subrequest it is the
// subrequest's own, or else another user's attributes would decide.
Visit* visit_told(ngx_http_request_t* r) {
    Visit* own = r == r->main ? nullptr : find_visit(r);
    return own != nullptr && own->is_being_judged ? own : find_visit(r->main);
}

ngx_int_t get(ngx_http_request_t* r, ngx_http_variable_value_t* out,
              uintptr_t which) noexcept {
    return guarded(
        r->connection->log, static_cast<ngx_int_t>(NGX_ERROR),
        [&]() -> ngx_int_t {
            out->not_found = 1;
            Visit* visit = visit_told(r);
            if (visit == nullptr) {
                return NGX_OK;
            }
            std::string value = value_of(*visit, static_cast<Which>(which));
            const bool is_identity = which == user_id || which == email;
            if (is_identity &&
                (has_control_character(value) || has_blank_at_an_end(value))) {
                value = leave_empty(
                    r, *visit,
                    which == email ? "auth_sigra_email" : "auth_sigra_user_id");
            }
            return put(r, out, value);
        });
}

constexpr std::string_view attribute_prefix = "auth_sigra_attribute_";

// `data`: the variable's name.
ngx_int_t get_attribute(ngx_http_request_t* r, ngx_http_variable_value_t* out,
                        uintptr_t data) noexcept {
    return guarded(
        r->connection->log, static_cast<ngx_int_t>(NGX_ERROR),
        [&]() -> ngx_int_t {
            out->not_found = 1;
            Visit* visit = visit_told(r);
            const std::string_view name =
                view(*reinterpret_cast<const ngx_str_t*>(data));
            if (visit == nullptr || name.size() < attribute_prefix.size()) {
                return NGX_OK;
            }
            std::string value =
                attribute_of(*visit, name.substr(attribute_prefix.size()));
            if (has_control_character(value)) {
                value = leave_empty(r, *visit, name);
            }
            return put(r, out, value);
        });
}

struct Named {
    std::string_view name;
    Which which;
};

constexpr Named variables[] = {
    {"auth_sigra_user_id", user_id},
    {"auth_sigra_email", email},
    {"auth_sigra_authenticated_at", authenticated_at},
    {"auth_sigra_csrf_token", csrf_token},
    {"auth_sigra_flash_info", flash_info},
    {"auth_sigra_flash_error", flash_error},
    {"auth_sigra_flash_email", flash_email},
    {"auth_sigra_session", session},
    {"auth_sigra_status", status},
    {"auth_sigra_login", login},
    {"auth_sigra_login_email", login_email},
};

}  // namespace

ngx_int_t add_variables(ngx_conf_t* cf) noexcept {
    for (const Named& named : variables) {
        ngx_str_t variable_name = as_ngx_str(named.name);
        ngx_http_variable_t* variable =
            ngx_http_add_variable(cf, &variable_name, NGX_HTTP_VAR_NOCACHEABLE);
        if (variable == nullptr) {
            return NGX_ERROR;
        }
        variable->get_handler = get;
        variable->data = named.which;
    }
    ngx_str_t prefix = as_ngx_str(attribute_prefix);
    ngx_http_variable_t* attribute = ngx_http_add_variable(
        cf, &prefix, NGX_HTTP_VAR_NOCACHEABLE | NGX_HTTP_VAR_PREFIX);
    if (attribute == nullptr) {
        return NGX_ERROR;
    }
    attribute->get_handler = get_attribute;
    return NGX_OK;
}

}  // namespace sigra::nginx
