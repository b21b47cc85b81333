#include "nginx/gate/answer.hpp"

#include <nlohmann/json.hpp>

#include "nginx/gate/response.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

}  // namespace

ngx_int_t redirect(ngx_http_request_t* r, std::string_view url) {
    return set_header(r, "Location", url) ? NGX_HTTP_MOVED_TEMPORARILY
                                          : server_error;
}

ngx_int_t send(ngx_http_request_t* r, ngx_uint_t status, std::string_view type,
               std::string_view body) {
    ngx_str_t content_type = copy(r->pool, type);
    ngx_http_complex_value_t value{};
    value.value = copy(r->pool, body);
    if (content_type.data == nullptr || value.value.data == nullptr) {
        return server_error;
    }
    r->err_status = 0;  // set by an error page, it would replace `status`
    // If-Match and If-None-Match do not apply to these responses, which have no
    // version. A 412 or 304 would tell another proxy that the user was refused,
    // or lose the cookies of a login that has already happened.
    r->disable_not_modified = 1;
    return ngx_http_send_response(r, status, &content_type, &value);
}

ngx_int_t send_json(ngx_http_request_t* r, ngx_uint_t status,
                    std::string_view body) {
    return send(r, status, "application/json", body);
}

ngx_int_t send_page(ngx_http_request_t* r, ngx_uint_t status,
                    std::string_view policy, std::string_view body) {
    return add_language(r) &&
                   add_header(r, "Content-Security-Policy", policy) &&
                   add_header(r, "X-Content-Type-Options", "nosniff")
               ? send(r, status, "text/html; charset=utf-8", body)
               : server_error;
}

ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status, Text text) {
    return add_language(r) ? send_error(r, status, say(r, text)) : server_error;
}

ngx_int_t send_error(ngx_http_request_t* r, ngx_uint_t status,
                     std::string_view message) {
    return send_json(r, status, R"({"error":)" + json_string(message) + "}");
}

ngx_int_t send_target(ngx_http_request_t* r, std::string_view url) {
    return send_json(r, NGX_HTTP_OK,
                     R"({"redirect_to":)" + json_string(url) + "}");
}

ngx_int_t no_content(ngx_http_request_t* r) {
    r->err_status = 0;
    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;
    return ngx_http_send_header(r);
}

ngx_int_t not_allowed(ngx_http_request_t* r, std::string_view allowed) {
    return set_header(r, "Allow", allowed) ? NGX_HTTP_NOT_ALLOWED
                                           : server_error;
}

ngx_int_t unavailable(ngx_http_request_t* r, Counter cause) {
    count(cause);
    return set_header(r, "Retry-After", "2") ? NGX_HTTP_SERVICE_UNAVAILABLE
                                             : server_error;
}

std::string json_string(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false,
                                     nlohmann::json::error_handler_t::replace);
}

std::string json_id(std::string_view id) {
    // JSON numbers have no leading zeros: a text id like 007 stays a string.
    const bool number =
        !id.empty() && id.size() < 20 && (id == "0" || id.front() != '0') &&
        id.find_first_not_of("0123456789") == std::string_view::npos;
    return number ? std::string(id) : json_string(id);
}

}  // namespace sigra::nginx
