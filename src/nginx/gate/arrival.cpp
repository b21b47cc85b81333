#include "nginx/gate/arrival.hpp"

#include <algorithm>

#include "nginx/gate/request.hpp"

namespace sigra::nginx {
namespace {

struct CookieLines {
    const ngx_table_elt_t* first = nullptr;
    bool more_than_one = false;
};

// nginx 1.23 replaced the array of Cookie headers by a linked list.
CookieLines cookie_lines(const ngx_http_request_t* r) {
#if (nginx_version >= 1023000)
    const ngx_table_elt_t* first = r->headers_in.cookie;
    return {first, first != nullptr && first->next != nullptr};
#else
    const ngx_array_t& lines = r->headers_in.cookies;
    if (lines.nelts == 0) {
        return {};
    }
    return {static_cast<ngx_table_elt_t**>(lines.elts)[0], lines.nelts > 1};
#endif
}

std::optional<std::string_view> bearer_of(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer";
    if (!equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) {
        return std::nullopt;
    }
    authorization.remove_prefix(scheme.size());
    // RFC 9110 allows only spaces here. A tab makes an invalid token rather
    // than another scheme, because an upstream that takes it for a space would
    // see a token.
    if (!authorization.empty() && authorization.front() != ' ' &&
        authorization.front() != '\t') {
        return std::nullopt;  // a scheme of another name
    }
    return authorization.substr(
        std::min(authorization.find_first_not_of(' '), authorization.size()));
}

}  // namespace

[[gnu::hot]] void take_cookies(ngx_http_request_t* r, Arrival& arrival) {
    const CookieLines lines = cookie_lines(r->main);
    arrival.cookies_twice = lines.more_than_one;
    if (lines.first != nullptr) {
        arrival.cookies = lines.first->value;
    }
    if (const ngx_table_elt_t* line = r->main->headers_in.authorization) {
        arrival.bearer = bearer_of(view(line->value));
    }
    arrival.cookies_read = true;
}

const ngx_http_headers_in_t* sent_headers(ngx_http_request_t* r,
                                          Arrival& arrival) {
    if (arrival.headers == nullptr) {
        // The cookies must be read before a list for an upstream replaces them.
        read_cookies(r, arrival);
        void* kept = ngx_palloc(r->pool, sizeof(ngx_http_headers_in_t));
        if (kept != nullptr) {
            arrival.headers =
                new (kept) ngx_http_headers_in_t(r->main->headers_in);
        }
    }
    return arrival.headers;
}

bool is_get_or_head(ngx_http_request_t* r) {
    const std::string_view line = view(r->main->request_line);
    return line.starts_with("GET ") || line.starts_with("HEAD ");
}

[[gnu::hot]] bool is_login_path(ngx_http_request_t* r,
                                const LocationConf& conf) {
    const std::string_view line = view(r->main->unparsed_uri);
    const auto is_path = [&](const ngx_str_t& path) {
        return path.len != 0 && line.starts_with(view(path)) &&
               (line.size() == path.len || line[path.len] == '?');
    };
    return is_path(conf.login_path) || is_path(conf.sent_login_path);
}

}  // namespace sigra::nginx
