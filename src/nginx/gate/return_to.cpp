#include "nginx/gate/return_to.hpp"

#include <algorithm>

#include "nginx/gate/outbox.hpp"
#include "nginx/gate/request.hpp"
#include "phoenix/percent.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

// The longest path, with a scheme, a host name and a port before it.
constexpr std::size_t max_return_to = 2048 + 8 + 253 + 6;

// auth_sigra_cookie_secure may speak for a proxy in front only; TLS of this
// connection counts too.
bool came_by_https(ngx_http_request_t* r, const LocationConf& conf) {
    return r->connection->ssl != nullptr || is_https(r, conf);
}

bool is_trusted(ngx_http_request_t* r, const Verify& verify) {
    return verify.trusted != nullptr &&
           ngx_cidr_match(r->connection->sockaddr, verify.trusted) == NGX_OK;
}

bool is_worth_it(ngx_http_request_t* r, const LocationConf& conf) {
    if (conf.verify == nullptr) {
        return is_worth_returning_to(r);
    }
    const ForwardedRequest asked = forwarded_request(r, conf);
    return asked.reads && asked.uri.size() <= 2048 &&
           find_header(r, "sec-fetch-dest").value_or("document") ==
               "document" &&
           !is_prefetch(r) && phoenix::is_local_path(asked.uri);
}

bool is_absolute(const ngx_str_t& url) {
    return !view(url).starts_with('/');
}

}  // namespace

// Traefik and Caddy send these headers, and other proxies can be configured to.
// They count from trusted peers only: anybody else could send users who log in
// to a page of its choice.
ForwardedRequest forwarded_request(ngx_http_request_t* r,
                                   const LocationConf& conf) {
    if (conf.verify == nullptr || !is_trusted(r, *conf.verify)) {
        return {};
    }
    // A proxy that forwards the request as it is sends no X-Forwarded-Method.
    const auto method = find_header(r, "x-forwarded-method");
    const bool reads = method
                           ? *method == "GET" || *method == "HEAD"
                           : (r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) != 0;
    return {find_header(r, "x-forwarded-uri").value_or(""),
            find_header(r, "x-forwarded-host").value_or(""),
            find_header(r, "x-forwarded-proto").value_or(""), reads};
}

std::string_view path_to_return_to(ngx_http_request_t* r,
                                   const LocationConf& conf) {
    return conf.verify == nullptr ? view(r->unparsed_uri)
                                  : forwarded_request(r, conf).uri;
}

bool keeps_return_to(ngx_http_request_t* r, const LocationConf& conf) {
    if (conf.return_to != return_to_session || is_prefetch(r) ||
        !is_worth_it(r, conf)) {
        return false;
    }
    const auto elsewhere = phoenix::origin_of_url(view(conf.login_url));
    return !is_absolute(conf.login_url) ||
           (elsewhere && phoenix::is_host_of(*elsewhere, sent_host(r)));
}

std::string return_to_of(ngx_http_request_t* r, const LocationConf& conf) {
    if (conf.return_to != return_to_query || !is_worth_it(r, conf)) {
        return {};
    }
    std::string path(path_to_return_to(r, conf));
    if (!is_absolute(conf.login_url)) {
        return path;
    }
    if (conf.verify != nullptr) {
        const ForwardedRequest asked = forwarded_request(r, conf);
        const std::string origin =
            std::string(asked.scheme).append("://").append(asked.host);
        return phoenix::parse_origin(origin) ? origin + path : std::string();
    }
    const std::string origin =
        (came_by_https(r, conf) ? "https://" : "http://") +
        std::string(sent_host(r));
    return phoenix::parse_origin(origin) ? origin + path : std::string();
}

std::string login_url(const LocationConf& conf, std::string_view return_to) {
    const std::string_view url = view(conf.login_url);
    if (return_to.empty()) {
        return std::string(url);
    }
    const auto fragment = std::min(url.find('#'), url.size());
    std::string out(url.substr(0, fragment));
    out += out.find('?') == std::string::npos ? "?return_to=" : "&return_to=";
    out += phoenix::percent_encode(return_to, "/");
    return out.append(url.substr(fragment));
}

std::string read_return_to(ngx_http_request_t* r, const LocationConf& conf,
                           std::string_view of_form) {
    if (conf.return_to != return_to_query) {
        return {};
    }
    std::string target(of_form);
    ngx_str_t in_query{};
    ngx_str_t name = ngx_string("return_to");
    if (target.empty() &&
        ngx_http_arg(r, name.data, name.len, &in_query) == NGX_OK) {
        target = phoenix::form_decode(view(in_query)).value_or("");
    }
    const phoenix::ReturnHosts hosts{sent_host(r), came_by_https(r, conf),
                                     *conf.trusted_origins,
                                     view(conf.cookie_domain)};
    return target.size() <= max_return_to &&
                   phoenix::may_return_to(target, hosts)
               ? target
               : std::string();
}

}  // namespace sigra::nginx
