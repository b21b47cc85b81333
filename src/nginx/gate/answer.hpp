// What an endpoint answers: results for ngx_http_finalize_request.
#pragma once

#include <string>
#include <string_view>

#include "nginx/counters.hpp"
#include "nginx/gate/texts.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// 302; `url` stays as written.
[[nodiscard]] ngx_int_t redirect(ngx_http_request_t* r, std::string_view url);

[[nodiscard]] ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status,
                             std::string_view type, std::string_view body);
[[nodiscard]] ngx_int_t send_json(ngx_http_request_t* r, ngx_uint_t status,
                                  std::string_view body);
// A page of the module's in a language of the visitor's.
[[nodiscard]] ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status,
                                  std::string_view policy,
                                  std::string_view body);
// {"error":…}, in a language of the visitor's
[[nodiscard]] ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status,
                                   Text text);
// The same in English alone.
[[nodiscard]] ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status,
                                   std::string_view message);
// {"redirect_to":url}
[[nodiscard]] ngx_int_t send_target(ngx_http_request_t* r,
                                    std::string_view url);

// 204
[[nodiscard]] ngx_int_t no_content(ngx_http_request_t* r);

// 405
[[nodiscard]] ngx_int_t not_allowed(ngx_http_request_t* r,
                                    std::string_view allowed);

// 503 with Retry-After, counted by its cause.
[[nodiscard]] ngx_int_t unavailable(ngx_http_request_t* r, Counter cause);

// Text as a JSON string, in quotes; bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string json_string(std::string_view text);
// A bigint as JSON's number, another id as its string.
[[nodiscard]] std::string json_id(std::string_view id);

}  // namespace sigra::nginx
