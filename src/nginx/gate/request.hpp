// What a request says of itself.
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

// Without the blanks and tabs around it.
[[nodiscard]] std::string_view trim(std::string_view s);

// What stands between the commas of a header's value, trimmed.
template <class Each>
void each_of_list(std::string_view list, Each&& each) {
    while (!list.empty()) {
        const std::size_t comma = list.find(',');
        each(trim(list.substr(0, comma)));
        list.remove_prefix(comma == std::string_view::npos ? list.size()
                                                           : comma + 1);
    }
}

// A program rather than a person in front of a browser: it gets a status
// where a person gets a page. What a service worker passes on for a person is
// a person's.
[[nodiscard]] bool is_program(ngx_http_request_t* r);

// It asks for JSON rather than for a page.
[[nodiscard]] bool accepts_json(ngx_http_request_t* r);

// A browser's guess at what will be asked for: nobody may look at the answer,
// and it may arrive after a later one's.
[[nodiscard]] bool is_prefetch(ngx_http_request_t* r);

// Another site led here. Told by Sec-Fetch-Site, which browsers leave out on
// plain http; there by Origin or Referer, where they name another host.
[[nodiscard]] bool is_from_another_site(ngx_http_request_t* r);

// May this request's path be where a login leads back to: a person's GET or
// HEAD of a page, a local path of at most 2,048 bytes. A prefetch's as well.
[[nodiscard]] bool is_worth_returning_to(ngx_http_request_t* r);

[[nodiscard]] bool is_preflight(ngx_http_request_t* r);

}  // namespace sigra::nginx
