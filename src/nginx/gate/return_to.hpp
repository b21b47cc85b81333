// Where a login leads back to: in the session, or in the login URL and from
// there in the form.
#pragma once

#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// For whom a request of auth_sigra_verify asks, where a trusted peer says so.
struct ForwardedRequest {
    std::string_view uri;  // empty: not known, or none to return to
    std::string_view host;
    std::string_view scheme;
    bool reads = false;  // a GET or HEAD
};
[[nodiscard]] ForwardedRequest forwarded_request(ngx_http_request_t* r,
                                                 const LocationConf& conf);

// The path that a login is to lead back to, once one is worth it.
[[nodiscard]] std::string_view path_to_return_to(ngx_http_request_t* r,
                                                 const LocationConf& conf);

// Is the session to keep this request's path? With a login URL on another host
// it is not: the path would be taken for one of that host.
[[nodiscard]] bool keeps_return_to(ngx_http_request_t* r,
                                   const LocationConf& conf);

// What the login URL is to carry for this request; empty: nothing. The path, or
// with an absolute login URL the whole URL.
[[nodiscard]] std::string return_to_of(ngx_http_request_t* r,
                                       const LocationConf& conf);

// auth_sigra_login_url with it.
[[nodiscard]] std::string login_url(const LocationConf& conf,
                                    std::string_view return_to);

// What a form has brought to the login, or else the request's own query, where
// a login may lead there; empty: nothing, or the location keeps it in the
// session.
[[nodiscard]] std::string read_return_to(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         std::string_view of_form = {});

}  // namespace sigra::nginx
