// What the headers of a request tell about it.
#pragma once

#include <optional>
#include <string_view>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// The first header of that name, compared without regard to case.
[[nodiscard]] std::optional<std::string_view> find_header(
    ngx_http_request_t* r, std::string_view name);

// The host that the client named, with its port, as it wrote it; empty: none.
[[nodiscard]] std::string_view sent_host(const ngx_http_request_t* r);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// Without leading and trailing spaces and tabs.
[[nodiscard]] std::string_view trim(std::string_view s);

// Calls `each` with each element of a comma-separated list, trimmed.
template <class Each>
void each_of_list(std::string_view list, Each&& each) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        each(trim(list.substr(0, comma)));
        list.remove_prefix(comma == std::string_view::npos ? list.size()
                                                           : comma + 1);
    }
}

// The request comes from a program, not from a user who opens a page in a
// browser: it gets a status where the user gets a page. What a service worker
// forwards for a user counts as the user's.
[[nodiscard]] bool is_program(ngx_http_request_t* r);

// The client wants JSON rather than a page.
[[nodiscard]] bool accepts_json(ngx_http_request_t* r);

// The browser prefetches or prerenders a page. The user may never see the
// response, and it may arrive after that to a later request.
[[nodiscard]] bool is_prefetch(ngx_http_request_t* r);

// Another site made the browser send this request. Sec-Fetch-Site tells;
// browsers leave it out on plain http, and there Origin or Referer tells, if it
// names another host.
[[nodiscard]] bool is_from_another_site(ngx_http_request_t* r);

// Whether a login may return to this request's path: a GET or HEAD of a page,
// prefetches included, with a local path of at most 2,048 bytes.
[[nodiscard]] bool is_worth_returning_to(ngx_http_request_t* r);

[[nodiscard]] bool is_preflight(ngx_http_request_t* r);

}  // namespace sigra::nginx
