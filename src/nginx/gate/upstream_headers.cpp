#include "nginx/gate/upstream_headers.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "nginx/gate/authenticated_at.hpp"
#include "nginx/gate/facts.hpp"
#include "nginx/gate/header_list.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/cookie.hpp"
#include "phoenix/percent.hpp"

namespace sigra::nginx {
namespace {

constexpr std::string_view user_id_header = "X-Auth-User-Id";
constexpr std::string_view email_header = "X-Auth-Email";
constexpr std::string_view authenticated_at_header = "X-Auth-Authenticated-At";
constexpr std::array identity_headers = {user_id_header, email_header,
                                         authenticated_at_header};

// The headers of all attributes in the configuration. With auth_sigra_forward
// on, a location removes all of them from what the client sent, also those of
// attributes that it does not have.
using AttributeHeaders = std::set<std::string>;

const AttributeHeaders& attribute_headers(ngx_http_request_t* r) {
    return static_cast<const MainConf*>(
               ngx_http_get_module_main_conf(r, ngx_http_auth_sigra_module))
        ->attribute_headers;
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

// FastCGI, uwsgi and CGI gateways replace whatever is not a letter or a digit
// by `_`, so names that become the same variable there are the same name here.
bool is_identity_name(std::string_view name,
                      const AttributeHeaders& attributes) {
    auto same = [](char a, char b) {
        return is_alphanumeric(a) ? (a | 0x20) == (b | 0x20)
                                  : !is_alphanumeric(b);
    };
    auto is_named = [&](std::string_view identity) {
        return std::equal(name.begin(), name.end(), identity.begin(),
                          identity.end(), same);
    };
    return std::any_of(identity_headers.begin(), identity_headers.end(),
                       is_named) ||
           std::any_of(attributes.begin(), attributes.end(), is_named);
}

// The next hop drops each header that Connection names, so a client must not
// name the identity's there.
std::string without_identity_names(std::string_view connection,
                                   const AttributeHeaders& attributes) {
    std::string out;
    each_of_list(connection, [&](std::string_view name) {
        if (!name.empty() && !is_identity_name(name, attributes)) {
            out += out.empty() ? "" : ", ";
            out += name;
        }
    });
    return out;
}

// A value with a control character or a space could end its header or be read
// as two values, so it is not an identity.
bool is_header_value(std::string_view value) {
    return !value.empty() &&
           std::all_of(value.begin(), value.end(), [](char c) {
               auto byte = static_cast<unsigned char>(c);
               return byte >= 0x21 && byte != 0x7f;
           });
}

// The Cookie header for the upstream. Cookies that the response sets have their
// new values, as the browser will send them from then on.
std::string cookies_for_upstream(std::string_view header,
                                 const LocationConf& conf,
                                 const Outbox& outbox) {
    std::string out(header);
    for (const Outbox::Slot* slot = outbox.first; slot != nullptr;
         slot = slot->next) {
        out = phoenix::with_cookie(out, slot->name(), slot->value());
    }
    if (conf.hide_cookies) {
        const std::string& name = conf.session_cookie->name;
        const RememberMeCookie& remember = *conf.remember_cookie;
        const std::array<std::string_view, 2> names = {
            name, remember.enabled ? remember.name : name};
        out = phoenix::without_cookies(out, names);
    }
    return out;
}

void keep_or_drop(HeaderList& list, const ngx_table_elt_t& header,
                  const LocationConf& conf, const Outbox& outbox,
                  const AttributeHeaders& attributes) {
    const auto keep = [&](const std::string& value) {
        if (value.empty()) {
            list.drop(header);
        } else {
            list.keep_with(header, value);
        }
    };
    const std::string_view name = view(header.key);
    const bool forward = conf.forward != forward_off;
    if (forward && is_identity_name(name, attributes)) {
        list.drop(header);
    } else if (forward && equal_ignoring_case(name, "connection")) {
        keep(without_identity_names(view(header.value), attributes));
    } else if (equal_ignoring_case(name, "cookie")) {
        keep(cookies_for_upstream(view(header.value), conf, outbox));
    } else {
        list.keep(header);
    }
}

// Attributes such as a name may contain spaces, but not at either end, where
// the reader of a header strips them.
bool is_text_value(std::string_view value) {
    return value.front() != ' ' && value.back() != ' ' &&
           std::all_of(value.begin(), value.end(), [](char c) {
               auto byte = static_cast<unsigned char>(c);
               return byte >= 0x20 && byte != 0x7f;
           });
}

template <class List>
void add_attributes(List& list, ngx_http_request_t* r, const LocationConf& conf,
                    const LookedUp& found) {
    const Rules& rules = *conf.rules;
    for (std::size_t i = 0; i < rules.numbers.size(); i++) {
        const std::string& name = (*rules.settings)[i].header;
        const auto raw = attribute_at(view(found.attributes), rules.numbers[i]);
        if (!raw || raw->empty()) {
            continue;
        }
        const std::string value = conf.forward == forward_encoded
                                      ? phoenix::percent_encode(*raw)
                                      : std::string(*raw);
        if (is_text_value(value)) {
            list.add(name, value);
        } else {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "auth_sigra: the value for %s has a byte that a "
                          "header cannot carry, or a blank at its start or "
                          "end: it is not forwarded",
                          name.c_str());
        }
    }
}

template <class List>
void add_identity(List& list, ngx_http_request_t* r, const LocationConf& conf,
                  const Identity& identity) {
    auto add = [&](std::string_view name, std::string_view raw) {
        const std::string value = conf.forward == forward_encoded
                                      ? phoenix::percent_encode(raw)
                                      : std::string(raw);
        if (is_header_value(value)) {
            list.add(name, value);
        } else {
            ngx_str_t header = as_ngx_str(name);
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "auth_sigra: the value for %V is empty or has a "
                          "byte that a header cannot carry: it is not "
                          "forwarded",
                          &header);
        }
    };
    add(user_id_header, view(identity.user_id));
    add(email_header, view(identity.email));
    if (identity.authenticated_at) {
        add(authenticated_at_header,
            format_authenticated_at(*identity.authenticated_at));
    }
}

bool is_changed(const Visit* main) {
    return main != nullptr &&
           (main->arrival.headers != nullptr || !main->outbox.empty());
}

}  // namespace

[[gnu::hot]] bool prepare_upstream_headers(ngx_http_request_t* r,
                                           const LocationConf& conf) {
    if (conf.forward == forward_off && !conf.hide_cookies &&
        !is_changed(find_visit(r->main))) {
        return true;
    }
    Visit* main = visit_of(r->main);
    if (main == nullptr) {
        return false;
    }
    const ngx_http_headers_in_t* sent = sent_headers(r, main->arrival);
    if (sent == nullptr) {
        return false;
    }
    const AttributeHeaders& attributes = attribute_headers(r);
    HeaderList list(r, *sent);
    for (const ngx_list_part_t* part = &sent->headers.part; part != nullptr;
         part = part->next) {
        const auto* headers = static_cast<const ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            keep_or_drop(list, headers[i], conf, main->outbox, attributes);
        }
    }
    const Visit* visit = find_visit(r);
    if (conf.forward != forward_off && visit != nullptr &&
        visit->verdict.judge == &conf && visit->verdict.identified) {
        add_identity(list, r, conf, visit->verdict.looked_up.identity);
        if (conf.rules != nullptr) {
            add_attributes(list, r, conf, visit->verdict.looked_up);
        }
    }
    return list.install();
}

ngx_int_t let_headers_be_read_anew(ngx_cycle_t* cycle) noexcept {
    auto* core = static_cast<ngx_http_core_main_conf_t*>(
        ngx_http_cycle_get_module_main_conf(cycle, ngx_http_core_module));
    if (core == nullptr) {
        return NGX_OK;
    }
    auto* variables = static_cast<ngx_http_variable_t*>(core->variables.elts);
    for (ngx_uint_t i = 0; i < core->variables.nelts; i++) {
        const std::string_view name = view(variables[i].name);
        if (name.starts_with("http_x_auth_") || name == "http_cookie" ||
            name.starts_with("cookie_")) {
            variables[i].flags |= NGX_HTTP_VAR_NOCACHEABLE;
        }
    }
    return NGX_OK;
}

bool add_identity_to_answer(ngx_http_request_t* r, const LocationConf& conf,
                            const LookedUp& found) {
    struct Answer {
        ngx_http_request_t* r;
        bool complete = true;
        void add(std::string_view name, std::string_view value) {
            complete = add_header(r, name, value) && complete;
        }
    };
    Answer answer{r};
    add_identity(answer, r, conf, found.identity);
    if (conf.rules != nullptr) {
        add_attributes(answer, r, conf, found);
    }
    return answer.complete;
}

}  // namespace sigra::nginx
