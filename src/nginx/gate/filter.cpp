#include "nginx/gate/filter.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/visit.hpp"

namespace sigra::nginx {
namespace {

ngx_http_output_header_filter_pt next_header_filter;

template <class Each>
void each_header(ngx_http_request_t* r, std::string_view name, Each&& each) {
    for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (headers[i].hash != 0 &&
                equal_ignoring_case(view(headers[i].key), name)) {
                each(headers[i]);
            }
        }
    }
}

bool answer_sets(ngx_http_request_t* r, std::string_view name) {
    bool found = false;
    each_header(r, "set-cookie", [&](const ngx_table_elt_t& header) {
        const std::string_view value = view(header.value);
        found |= value.substr(0, value.find('=')) == name;
    });
    return found;
}

// The application knows better what its session is to hold.
bool add_cookies(ngx_http_request_t* r, const Outbox& outbox, bool& added) {
    for (const Outbox::Slot* slot = outbox.first; slot != nullptr;
         slot = slot->next) {
        if (answer_sets(r, slot->name())) {
            continue;
        }
        added = true;
        if (!push_header(r, "Set-Cookie", view(slot->set_cookie))) {
            return false;
        }
    }
    return true;
}

// `value` is static.
bool set_cache_control(ngx_http_request_t* r, std::string_view value) {
    each_header(r, "cache-control",
                [](ngx_table_elt_t& header) { header.hash = 0; });
    each_header(r, "expires", [](ngx_table_elt_t& header) { header.hash = 0; });
    return push_header(r, "Cache-Control", value);
}

bool says_nothing_of_caching(ngx_http_request_t* r) {
    bool silent = true;
    each_header(r, "cache-control",
                [&](const ngx_table_elt_t&) { silent = false; });
    return silent;
}

bool add_cache_control(ngx_http_request_t* r, const Visit& visit,
                       bool cookie_added) {
    if (visit.answered_here) {
        return set_cache_control(
            r, cookie_added ? "private, no-store" : "no-store");
    }
    if (cookie_added) {
        return set_cache_control(r, "private, no-store");
    }
    if (!visit.passed) {
        return true;
    }
    switch (location_conf(r).cache_control) {
        case cache_control_no_store:
            return set_cache_control(r, "no-store");
        case cache_control_private:
            return !says_nothing_of_caching(r) ||
                   push_header(r, "Cache-Control", "private");
        default:
            return true;
    }
}

// Nginx itself refused, before the endpoint had its turn: a body too large.
bool is_refused_endpoint(ngx_http_request_t* r) {
    return r == r->main && r->headers_out.status >= NGX_HTTP_BAD_REQUEST &&
           is_endpoint(r, location_conf(r));
}

ngx_int_t filter(ngx_http_request_t* r) {
    Visit* visit = r == r->main ? find_visit(r) : nullptr;
    if (visit == nullptr) {
        return is_refused_endpoint(r) && !set_cache_control(r, "no-store")
                   ? NGX_ERROR
                   : next_header_filter(r);
    }
    bool added = false;
    if (!add_cookies(r, visit->outbox, added) ||
        !add_cache_control(r, *visit, added)) {
        return NGX_ERROR;
    }
    const ngx_int_t rc = next_header_filter(r);
    visit->outbox.sent = rc != NGX_ERROR;
    return rc;
}

[[gnu::hot]] ngx_int_t header_filter(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, static_cast<ngx_int_t>(NGX_ERROR),
                   [&] { return filter(r); });
}

}  // namespace

void install_header_filter() noexcept {
    next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = header_filter;
}

}  // namespace sigra::nginx
