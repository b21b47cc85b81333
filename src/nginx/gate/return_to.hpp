// The page that a login returns to. It is kept in the session, or in the login
// URL and from there in the form.
#pragma once

#include <string>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// The request that auth_sigra_verify is asked about, as a trusted peer
// describes it.
struct ForwardedRequest {
    std::string_view uri;  // empty: not known, or none to return to
    std::string_view host;
    std::string_view scheme;
    bool reads = false;  // a GET or HEAD
};
[[nodiscard]] ForwardedRequest forwarded_request(ngx_http_request_t* r,
                                                 const LocationConf& conf);

// The path that a login would return to, whether or not that is worth it.
[[nodiscard]] std::string_view path_to_return_to(ngx_http_request_t* r,
                                                 const LocationConf& conf);

// Whether the session should keep this request's path. Not if the login URL is
// on another host, which would take the path for one of its own.
[[nodiscard]] bool keeps_return_to(ngx_http_request_t* r,
                                   const LocationConf& conf);

// The value of return_to in the login URL: the path, or the whole URL if the
// login URL is absolute. Empty: none.
[[nodiscard]] std::string return_to_of(ngx_http_request_t* r,
                                       const LocationConf& conf);

// auth_sigra_login_url with that value added; unchanged if it is empty.
[[nodiscard]] std::string login_url(const LocationConf& conf,
                                    std::string_view return_to);

// Where a login is to return to: the value from the form, or else from the
// request's own query, if a login may lead there. Empty: there is none, or the
// location keeps it in the session.
[[nodiscard]] std::string read_return_to(ngx_http_request_t* r,
                                         const LocationConf& conf,
                                         std::string_view of_form = {});

}  // namespace sigra::nginx
