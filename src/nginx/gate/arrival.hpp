// What the client sent. It is read once and stays unchanged, while internal
// redirects and this module change the request.
#pragma once

#include <optional>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// One per main request, shared by its subrequests. Owned by the main request's
// visit.
struct Arrival {
    ngx_str_t cookies;  // of the first Cookie header, once read
    bool cookies_read;
    bool cookies_twice;  // there is more than one Cookie header
    // The token of `Authorization: Bearer`, which may be empty; read together
    // with the cookies. Nullopt where there is no such header.
    std::optional<std::string_view> bearer;
    // A copy of headers_in, made before the first header list for an upstream
    // replaces the client's; null before that.
    const ngx_http_headers_in_t* headers;
};

// For read_cookies(), the first time.
void take_cookies(ngx_http_request_t* r, Arrival& arrival);

// Reads the Cookie and Authorization headers, once. `r` is the main request
// that `arrival` belongs to or one of its subrequests.
inline void read_cookies(ngx_http_request_t* r, Arrival& arrival) {
    if (!arrival.cookies_read) {
        take_cookies(r, arrival);
    }
}

// The headers as the client sent them, copied at the first call. Null when
// memory is out.
[[nodiscard]] const ngx_http_headers_in_t* sent_headers(ngx_http_request_t* r,
                                                        Arrival& arrival);

// By the method in the request line: error_page changes that of the request.
[[nodiscard]] bool is_get_or_head(ngx_http_request_t* r);

// Whether the path in the request line is that of auth_sigra_login_url, byte
// for byte, before nginx normalises or rewrites it. An upstream may get the
// path as it was written, so a path that only normalises to the login page's
// may lead to another page there.
[[nodiscard]] bool is_login_path(ngx_http_request_t* r,
                                 const LocationConf& conf);

}  // namespace sigra::nginx
