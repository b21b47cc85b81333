#include "nginx/gate/request.hpp"

#include <algorithm>

#include "nginx/gate/arrival.hpp"
#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_return_to = 2048;

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

// What an Accept header asks for.
struct Accepted {
    bool html = false;
    bool html_first = false;
    bool anything = false;     // */*
    bool media_first = false;  // an image or a font
    bool json = false;

    [[nodiscard]] bool page() const {
        return (html || anything) && !media_first;
    }
};

Accepted read_accept(std::string_view accept) {
    Accepted out;
    bool first = true;
    each_of_list(accept, [&](std::string_view range) {
        range = trim(range.substr(0, range.find(';')));
        if (range.empty()) {
            return;
        }
        const std::string_view kind = range.substr(0, range.find('/'));
        const bool html = equal_ignoring_case(range, "text/html");
        out.html |= html;
        out.html_first |= first && html;
        out.anything |= range == "*/*";
        out.media_first |= first && (equal_ignoring_case(kind, "image") ||
                                     equal_ignoring_case(kind, "font"));
        out.json |= equal_ignoring_case(range, "application/json");
        first = false;
    });
    return out;
}

// A missing Accept means */*.
Accepted accepted(ngx_http_request_t* r) {
    return read_accept(find_header(r, "accept").value_or("*/*"));
}

// A service worker forwards a navigation of the user's. fetch() sets the mode
// to `same-origin` if the worker changed the request, and else leaves it at
// `navigate`. Accept is still the browser's own.
bool is_forwarded_navigation(ngx_http_request_t* r) {
    const auto mode = find_header(r, "sec-fetch-mode");
    return mode && (*mode == "same-origin" || *mode == "navigate") &&
           accepted(r).html_first;
}

// The request is for a page, not for something that a page loads. Browsers
// leave out Sec-Fetch-* on plain http: there Accept tells a page from a
// stylesheet or from a script that polls.
bool is_page(ngx_http_request_t* r) {
    if (const auto destination = find_header(r, "sec-fetch-dest")) {
        return *destination == "document" ||
               (*destination == "empty" && is_forwarded_navigation(r));
    }
    if (const auto mode = find_header(r, "sec-fetch-mode")) {
        return *mode == "navigate" || is_forwarded_navigation(r);
    }
    return accepted(r).html;
}

// The host of a URL, without the port; empty where there is none.
std::string_view host_of(std::string_view url) {
    constexpr std::string_view separator = "://";
    const std::size_t at = url.find(separator);
    if (at == url.npos) {
        return {};
    }
    url.remove_prefix(at + separator.size());
    url = url.substr(0, url.find_first_of("/?#"));
    return url.substr(0,
                      url.find(':', url.starts_with('[') ? url.find(']') : 0));
}

}  // namespace

// HTTP/3 sends :authority in place of a Host header, and nginx does not add it
// to the list of headers.
std::string_view sent_host(const ngx_http_request_t* r) {
    const ngx_http_request_t& main = *r->main;
    if (main.headers_in.host != nullptr) {
        return view(main.headers_in.host->value);
    }
    if (main.http_version < NGX_HTTP_VERSION_20 || main.host_end == nullptr) {
        return {};
    }
    return {reinterpret_cast<const char*>(main.host_start),
            static_cast<std::size_t>(main.host_end - main.host_start)};
}

std::string_view trim(std::string_view s) {
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) {
        s.remove_prefix(1);
    }
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) {
        s.remove_suffix(1);
    }
    return s;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> find_header(ngx_http_request_t* r,
                                            std::string_view name) {
    for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (equal_ignoring_case(view(headers[i].key), name)) {
                return view(headers[i].value);
            }
        }
    }
    return std::nullopt;
}

bool is_program(ngx_http_request_t* r) {
    if (auto upgrade = find_header(r, "upgrade");
        upgrade && equal_ignoring_case(*upgrade, "websocket")) {
        return true;
    }
    if (auto with = find_header(r, "x-requested-with");
        with && equal_ignoring_case(*with, "XMLHttpRequest")) {
        return true;
    }
    if (auto mode = find_header(r, "sec-fetch-mode");
        mode && *mode != "navigate") {
        return !is_forwarded_navigation(r);
    }
    return !accepted(r).page();
}

bool accepts_json(ngx_http_request_t* r) {
    if (auto with = find_header(r, "x-requested-with");
        with && equal_ignoring_case(*with, "XMLHttpRequest")) {
        return true;
    }
    const Accepted accept = accepted(r);
    return accept.json && !accept.html;
}

bool is_prefetch(ngx_http_request_t* r) {
    for (std::string_view name : {"sec-purpose", "purpose", "x-moz"}) {
        auto purpose = find_header(r, name);
        if (purpose && purpose->find("prefetch") != std::string_view::npos) {
            return true;
        }
    }
    return false;
}

bool is_from_another_site(ngx_http_request_t* r) {
    if (auto site = find_header(r, "sec-fetch-site")) {
        return *site == "cross-site";
    }
    for (std::string_view name : {"origin", "referer"}) {
        if (auto from = find_header(r, name)) {
            return !equal_ignoring_case(host_of(*from),
                                        view(r->headers_in.server));
        }
    }
    return false;
}

bool is_worth_returning_to(ngx_http_request_t* r) {
    return is_get_or_head(r) && is_page(r) &&
           r->unparsed_uri.len <= max_return_to &&
           phoenix::is_local_path(view(r->unparsed_uri));
}

bool is_preflight(ngx_http_request_t* r) {
    return r->method == NGX_HTTP_OPTIONS && find_header(r, "origin") &&
           find_header(r, "access-control-request-method");
}

}  // namespace sigra::nginx
