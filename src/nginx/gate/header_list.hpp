// A list of request headers, built from those that the client sent.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Headers are copied, so that the client's list stays as it is and a later
// location can build another one from it. Owned by who builds it; what is
// installed lives in the request's pool.
class HeaderList {
  public:
    // `sent` holds the headers that are passed to keep() and drop(). It
    // outlives this object.
    HeaderList(ngx_http_request_t* r, const ngx_http_headers_in_t& sent);

    void keep(const ngx_table_elt_t& header);
    void keep_with(const ngx_table_elt_t& header, std::string_view value);
    void drop(const ngx_table_elt_t& header);
    // `name` is static.
    void add(std::string_view name, std::string_view value);

    // Makes this the request's list. Each pointer of headers_in to a header in
    // `sent` is set to that header's copy; dropped headers are left out. False
    // when memory is out: then the request must not go on.
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
