// A request's header list, built anew from what the client sent.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Holds copies: the list that it is built from stays as it is, and so another
// one can be built from it later. Owned by who builds; what is installed lives
// in the request's pool.
class HeaderList {
  public:
    // `sent`: what the headers that are kept or dropped are parts of.
    HeaderList(ngx_http_request_t* r, const ngx_http_headers_in_t& sent);

    void keep(const ngx_table_elt_t& header);
    void keep_with(const ngx_table_elt_t& header, std::string_view value);
    void drop(const ngx_table_elt_t& header);
    // `name` is static.
    void add(std::string_view name, std::string_view value);

    // The request's list from now on, with headers_in's own pointers into it:
    // to the copy of what they pointed to in `sent`, past what was dropped.
    // False when memory is out: then the request must not go on.
    [[nodiscard]] bool install();

  private:
    ngx_table_elt_t* push();
    ngx_table_elt_t* now(ngx_table_elt_t* header) const;
    [[nodiscard]] bool point_anew();

    ngx_http_request_t* r_;
    const ngx_http_headers_in_t& sent_;
    ngx_list_t list_{};
    // From a header to its copy; null: dropped.
    std::vector<std::pair<const ngx_table_elt_t*, ngx_table_elt_t*>> copies_;
    bool ok_;
};

}  // namespace sigra::nginx
