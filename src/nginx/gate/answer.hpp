// Responses of the endpoints. Each function returns a value for
// ngx_http_finalize_request(): 500 when memory is out.
#pragma once

#include <string>
#include <string_view>

#include "nginx/counters.hpp"
#include "nginx/gate/texts.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// 302. `url` is sent as it is: nginx does not make it absolute.
[[nodiscard]] ngx_int_t redirect(ngx_http_request_t* r, std::string_view url);

[[nodiscard]] ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status,
                             std::string_view type, std::string_view body);
[[nodiscard]] ngx_int_t send_json(ngx_http_request_t* r, ngx_uint_t status,
                                  std::string_view body);
// One of the module's own pages, with `policy` as its Content-Security-Policy.
[[nodiscard]] ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status,
                                  std::string_view policy,
                                  std::string_view body);
// JSON, {"error":…}, in the visitor's language.
[[nodiscard]] ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status,
                                   Text text);
// The same, with a message that exists in English only.
[[nodiscard]] ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status,
                                   std::string_view message);
// 200 and JSON, {"redirect_to":url}.
[[nodiscard]] ngx_int_t send_target(ngx_http_request_t* r,
                                    std::string_view url);

// 204
[[nodiscard]] ngx_int_t no_content(ngx_http_request_t* r);

// 405 with the methods `allowed` in the Allow header.
[[nodiscard]] ngx_int_t not_allowed(ngx_http_request_t* r,
                                    std::string_view allowed);

// 503 with Retry-After; adds one to the counter `cause`.
[[nodiscard]] ngx_int_t unavailable(ngx_http_request_t* r, Counter cause);

// `text` as a JSON string, in quotes. Invalid UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);
// A user id as JSON: a number where it is a bigint, else a string.
[[nodiscard]] std::string json_id(std::string_view id);

}  // namespace sigra::nginx
