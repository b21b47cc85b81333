// What the client sent: read once, and never changed, whatever nginx makes of
// the request on its way through its locations.
#pragma once

#include <optional>
#include <string_view>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// The main request's, for its subrequests as well. Owned by its visit.
struct Arrival {
    ngx_str_t cookies;  // the first Cookie header, once read
    bool cookies_read;
    bool cookies_twice;  // in more than one header
    // Of `Authorization: Bearer`, once the cookies were read; it may be empty,
    // or none at all.
    std::optional<std::string_view> bearer;
    // The header list, and what points into it, before an upstream's were made
    // of it; null: none were.
    const ngx_http_headers_in_t* headers;
};

// And what an API token stands in. `r` is any request of the main one that
// `arrival` is of.
void read_cookies(ngx_http_request_t* r, Arrival& arrival);

// Keeps them at the first call. Null when memory is out.
[[nodiscard]] const ngx_http_headers_in_t* sent_headers(ngx_http_request_t* r,
                                                        Arrival& arrival);

// The client's method: an error page's is another.
[[nodiscard]] bool is_get_or_head(ngx_http_request_t* r);

// The path of the request line is the login URL's own, byte for byte, before
// nginx normalises or rewrites anything: what is but equal to it in the end may
// get to an upstream as it was written, and mean another page there.
[[nodiscard]] bool is_login_path(ngx_http_request_t* r,
                                 const LocationConf& conf);

}  // namespace sigra::nginx
