#include "nginx/endpoints/origin.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/gate/request.hpp"

namespace sigra::nginx {
namespace {

template <class Body>
void each_header(ngx_http_request_t* r, Body&& body) {
    for (const ngx_list_part_t* part = &r->headers_in.headers.part;
         part != nullptr; part = part->next) {
        const auto* header = static_cast<const ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            body(header[i]);
        }
    }
}

bool is_named(const ngx_table_elt_t& header, std::string_view lower_case) {
    return header.key.len == lower_case.size() &&
           ngx_strncasecmp(
               header.key.data,
               reinterpret_cast<u_char*>(const_cast<char*>(lower_case.data())),
               lower_case.size()) == 0;
}

bool is_tls_early_data(ngx_http_request_t* r) {
    if (r->connection->ssl == nullptr) {
        return false;
    }
    ngx_str_t value{};
    return ngx_ssl_get_early_data(r->connection, r->pool, &value) != NGX_OK ||
           value.len != 0;
}

phoenix::Provenance provenance_of(ngx_http_request_t* r,
                                  const TrustedOrigins& trusted) {
    phoenix::OriginHeaders headers;
    each_header(r, [&](const ngx_table_elt_t& header) {
        if (is_named(header, "sec-fetch-site")) {
            headers.sec_fetch_site.push_back(view(header.value));
        } else if (is_named(header, "origin")) {
            headers.origin.push_back(view(header.value));
        }
    });
    headers.host = sent_host(r);
    return phoenix::provenance_of(headers, trusted);
}

}  // namespace

phoenix::Provenance provenance_of(ngx_http_request_t* r) {
    return provenance_of(r, *location_conf(r).trusted_origins);
}

bool is_same_origin(ngx_http_request_t* r) {
    return provenance_of(r, {}) == phoenix::Provenance::own;
}

bool is_early_data(ngx_http_request_t* r) {
    // RFC 8470: several headers, or any other value, count as 1.
    bool said = false;
    each_header(r, [&](const ngx_table_elt_t& header) {
        said |= is_named(header, "early-data");
    });
    return said || is_tls_early_data(r);
}

}  // namespace sigra::nginx
