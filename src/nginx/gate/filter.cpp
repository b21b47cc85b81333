#include "nginx/gate/filter.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/visit.hpp"

namespace sigra::nginx {
namespace {

ngx_http_output_header_filter_pt next_header_filter;

template <class Each>
void each_header(ngx_http_request_t* r, Each&& each) {
    for (ngx_list_part_t* part = &r->headers_out.headers.part; part != nullptr;
         part = part->next) {
        auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
        for (ngx_uint_t i = 0; i < part->nelts; i++) {
            if (headers[i].hash != 0) {
                each(headers[i]);
            }
        }
    }
}

template <class Each>
void each_header(ngx_http_request_t* r, std::string_view name, Each&& each) {
    each_header(r, [&](ngx_table_elt_t& header) {
        if (equal_ignoring_case(view(header.key), name)) {
            each(header);
        }
    });
}

bool has_header(ngx_http_request_t* r, std::string_view name) {
    bool found = false;
    each_header(r, name, [&](const ngx_table_elt_t&) { found = true; });
    return found;
}

bool answer_sets(ngx_http_request_t* r, std::string_view name) {
    bool found = false;
    each_header(r, "set-cookie", [&](const ngx_table_elt_t& header) {
        const std::string_view value = view(header.value);
        found |= value.substr(0, value.find('=')) == name;
    });
    return found;
}

// A cookie that the response already sets is left alone: the application knows
// better what its session should hold.
bool add_cookies(ngx_http_request_t* r, const Outbox& outbox, bool& added) {
    for (const Outbox::Slot* slot = outbox.first; slot != nullptr;
         slot = slot->next) {
        if (answer_sets(r, slot->name())) {
            continue;
        }
        added = true;
        if (push_header(r, "Set-Cookie", view(slot->set_cookie)) == nullptr) {
            return false;
        }
    }
    return true;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
    return text.size() >= end.size() &&
           equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

// Some caches obey these headers before Cache-Control. CDN-Cache-Control also
// comes with a vendor's name in front.
bool speaks_to_caches(std::string_view name) {
    return equal_ignoring_case(name, "cache-control") ||
           equal_ignoring_case(name, "expires") ||
           equal_ignoring_case(name, "pragma") ||
           equal_ignoring_case(name, "surrogate-control") ||
           equal_ignoring_case(name, "edge-control") ||
           equal_ignoring_case(name, "cdn-cache-control") ||
           ends_with_ignoring_case(name, "-cdn-cache-control");
}

// Replaces whatever the response tells caches by `value`, which forbids them to
// store it. `value` is static.
bool set_no_store(ngx_http_request_t* r, std::string_view value) {
    each_header(r, [](ngx_table_elt_t& header) {
        if (speaks_to_caches(view(header.key))) {
            header.hash = 0;
        }
    });
    return push_header(r, "Cache-Control", value) != nullptr;
}

bool add_cache_control(ngx_http_request_t* r, const Visit& visit,
                       bool cookie_added) {
    if (visit.answered_here) {
        return set_no_store(r, cookie_added ? "private, no-store" : "no-store");
    }
    if (cookie_added) {
        return set_no_store(r, "private, no-store");
    }
    if (!visit.passed) {
        return true;
    }
    switch (location_conf(r).cache_control) {
        case cache_control_no_store:
            return set_no_store(r, "no-store");
        case cache_control_private:
            return has_header(r, "cache-control") ||
                   push_header(r, "Cache-Control", "private") != nullptr;
        default:
            return true;
    }
}

bool varies_by(ngx_http_request_t* r, std::string_view wanted) {
    bool said = false;
    each_header(r, "vary", [&](const ngx_table_elt_t& header) {
        each_of_list(view(header.value), [&](std::string_view name) {
            said |= name == "*" || equal_ignoring_case(name, wanted);
        });
    });
    return said;
}

// Where requests pass with or without a session, the response may depend on who
// asked. A cache must not serve one user's response to another.
bool add_vary(ngx_http_request_t* r, const Visit& visit) {
    const LocationConf& conf = location_conf(r);
    if (!visit.everybody_passes || conf.cache_control == cache_control_off) {
        return true;
    }
    const auto add = [&](std::string_view name) {
        return varies_by(r, name) || push_header(r, "Vary", name) != nullptr;
    };
    return (conf.is_bearer_only() || add("Cookie")) &&
           (conf.bearer_source == nullptr || add("Authorization"));
}

// RFC 9110 requires a challenge with each 401. Browsers do not know the scheme
// "Cookie", so they do not ask for a password. Subrequests get it too, because
// auth_request passes it on.
bool add_challenge(ngx_http_request_t* r, const Visit& visit) {
    constexpr std::string_view name = "WWW-Authenticate";
    if (r->headers_out.status != NGX_HTTP_UNAUTHORIZED ||
        !visit.answered_here || has_header(r, name)) {
        return true;
    }
    r->headers_out.www_authenticate =
        push_header(r, name,
                    visit.challenge.empty() ? R"(Cookie realm="auth_sigra")"
                                            : visit.challenge);
    return r->headers_out.www_authenticate != nullptr;
}

// Replaces other Referrer-Policy headers, because browsers use the last one.
bool add_referrer_policy(ngx_http_request_t* r, const Visit& visit) {
    const std::string_view policy = view(visit.outbox.referrer_policy);
    if (policy.empty()) {
        return true;
    }
    each_header(r, "referrer-policy",
                [](ngx_table_elt_t& header) { header.hash = 0; });
    return push_header(r, "Referrer-Policy", policy) != nullptr;
}

// Whether nginx refused a request before the endpoint's handler ran, for
// example because its body is too large.
bool is_refused_endpoint(ngx_http_request_t* r) {
    return r == r->main && r->headers_out.status >= NGX_HTTP_BAD_REQUEST &&
           is_endpoint(r, location_conf(r));
}

ngx_int_t filter(ngx_http_request_t* r) {
    Visit* visit = find_visit(r);
    if (visit != nullptr && !add_challenge(r, *visit)) {
        return NGX_ERROR;
    }
    if (r != r->main) {
        return next_header_filter(r);
    }
    if (visit == nullptr) {
        return is_refused_endpoint(r) && !set_no_store(r, "no-store")
                   ? NGX_ERROR
                   : next_header_filter(r);
    }
    bool added = false;
    if (!add_cookies(r, visit->outbox, added) ||
        !add_cache_control(r, *visit, added) || !add_vary(r, *visit) ||
        !add_referrer_policy(r, *visit)) {
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
