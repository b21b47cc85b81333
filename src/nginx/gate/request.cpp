#include "nginx/gate/request.hpp"

#include <algorithm>

#include "phoenix/redirect.hpp"

namespace sigra::nginx {
namespace {

constexpr std::size_t max_return_to = 2048;

struct CookieLines {
    const ngx_table_elt_t* first = nullptr;
    bool more_than_one = false;
};

// nginx 1.23 made the array a list.
CookieLines cookie_lines(ngx_http_request_t* r) {
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

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
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

// The media ranges of an Accept header, without their parameters.
template <class Each>
void each_media_range(std::string_view accept, Each&& each) {
    while (!accept.empty()) {
        std::size_t comma = accept.find(',');
        std::string_view range = accept.substr(0, comma);
        each(trim(range.substr(0, range.find(';'))));
        accept.remove_prefix(comma == std::string_view::npos ? accept.size()
                                                             : comma + 1);
    }
}

bool wants_a_page(std::string_view accept) {
    bool first = true;
    bool media_first = false;
    bool page = false;
    each_media_range(accept, [&](std::string_view range) {
        if (range.empty()) {
            return;
        }
        std::string_view kind = range.substr(0, range.find('/'));
        media_first |= first && (equal_ignoring_case(kind, "image") ||
                                 equal_ignoring_case(kind, "font"));
        first = false;
        page |= range == "*/*" || equal_ignoring_case(range, "text/html");
    });
    return page && !media_first;
}

}  // namespace

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

[[gnu::hot]] void read_cookie_header(ngx_http_request_t* r, Visit& visit) {
    if (visit.cookie_header_known) {
        return;
    }
    // A subrequest's headers are a copy of what its main request has left of
    // them: that one's visit knows what the client sent.
    const Visit* main = r == r->main ? nullptr : find_visit(r->main);
    if (main != nullptr && main->cookie_header_known) {
        visit.cookie_header = main->cookie_header;
        visit.cookie_header_twice = main->cookie_header_twice;
    } else {
        CookieLines lines = cookie_lines(r);
        visit.cookie_header_twice = lines.more_than_one;
        if (lines.first != nullptr) {
            visit.cookie_header = lines.first->value;
        }
    }
    visit.cookie_header_known = true;
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
        return true;
    }
    auto accept = find_header(r, "accept");
    return accept && !wants_a_page(*accept);
}

bool accepts_json(ngx_http_request_t* r) {
    if (auto with = find_header(r, "x-requested-with");
        with && equal_ignoring_case(*with, "XMLHttpRequest")) {
        return true;
    }
    bool json = false;
    bool page = false;
    each_media_range(find_header(r, "accept").value_or(""),
                     [&](std::string_view range) {
                         json |= equal_ignoring_case(range, "application/json");
                         page |= equal_ignoring_case(range, "text/html");
                     });
    return json && !page;
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

bool is_worth_returning_to(ngx_http_request_t* r) {
    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return false;
    }
    auto destination = find_header(r, "sec-fetch-dest");
    if (destination && *destination != "document") {
        return false;
    }
    return !is_prefetch(r) && r->unparsed_uri.len <= max_return_to &&
           phoenix::is_local_path(view(r->unparsed_uri));
}

bool is_preflight(ngx_http_request_t* r) {
    return r->method == NGX_HTTP_OPTIONS && find_header(r, "origin") &&
           find_header(r, "access-control-request-method");
}

}  // namespace sigra::nginx
