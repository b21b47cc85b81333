#include "nginx/endpoints/endpoint.hpp"

#include "nginx/conf/conf.hpp"
#include "nginx/endpoints/exchange.hpp"
#include "nginx/endpoints/login.hpp"
#include "nginx/endpoints/login_log.hpp"
#include "nginx/endpoints/login_template.hpp"
#include "nginx/endpoints/logout.hpp"
#include "nginx/endpoints/origin.hpp"
#include "nginx/endpoints/renew.hpp"
#include "nginx/endpoints/session.hpp"
#include "nginx/endpoints/sessions.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;
constexpr ngx_uint_t reads = NGX_HTTP_GET | NGX_HTTP_HEAD;
constexpr ngx_int_t too_early = 425;

struct Methods {
    ngx_uint_t mask;
    std::string_view names;
};

Methods methods_of(Endpoint::Kind kind) {
    switch (kind) {
        case Endpoint::Kind::login:
            return {reads | NGX_HTTP_POST, "GET, HEAD, POST"};
        case Endpoint::Kind::logout:
            return {NGX_HTTP_POST | NGX_HTTP_DELETE, "POST, DELETE"};
        case Endpoint::Kind::renew:
            return {NGX_HTTP_POST, "POST"};
        case Endpoint::Kind::session:
            return {reads, "GET, HEAD"};
        case Endpoint::Kind::sessions:
            return {reads | NGX_HTTP_POST | NGX_HTTP_DELETE,
                    "GET, HEAD, POST, DELETE"};
    }
    return {0, ""};
}

// Checks what can be checked before the body is read or a query is sent.
ngx_int_t admit(ngx_http_request_t* r, const Endpoint& endpoint,
                const Visit& visit) {
    const Methods methods = methods_of(endpoint.kind);
    if ((r->method & methods.mask) == 0) {
        return not_allowed(r, methods.names);
    }
    if (visit.arrival.cookies_twice && !location_conf(r).is_bearer_only()) {
        return NGX_HTTP_BAD_REQUEST;
    }
    const bool acts = (r->method & reads) == 0;
    if (acts && is_early_data(r)) {
        return too_early;
    }
    // JSON is for programs, which must not be those of another site.
    const bool tells =
        endpoint.kind != Endpoint::Kind::login || accepts_json(r);
    if ((acts || tells) && provenance_of(r) == phoenix::Provenance::foreign) {
        return NGX_HTTP_FORBIDDEN;
    }
    return NGX_OK;
}

Exchange* make_exchange(ngx_http_request_t* r, const LocationConf& conf,
                        Visit& visit) {
    switch (conf.endpoint->kind) {
        case Endpoint::Kind::login:
            if ((r->method & reads) != 0) {
                return pool_make<LoginPage>(r->pool, r, conf, visit);
            }
            return pool_make<Login>(r->pool, r, conf, visit);
        case Endpoint::Kind::logout:
            return pool_make<Logout>(r->pool, r, conf, visit);
        case Endpoint::Kind::renew:
            return pool_make<Renew>(r->pool, r, conf, visit);
        case Endpoint::Kind::session:
            return pool_make<SessionInfo>(r->pool, r, conf, visit);
        case Endpoint::Kind::sessions:
            if ((r->method & reads) != 0) {
                return pool_make<Sessions>(r->pool, r, conf, visit);
            }
            return pool_make<EndSession>(r->pool, r, conf, visit);
    }
    return nullptr;
}

ngx_int_t answer(ngx_http_request_t* r) {
    const LocationConf& conf = location_conf(r);
    // A subrequest's response is part of another one: it cannot log anybody in.
    if (r != r->main) {
        log_forbidden(r, conf.endpoint->kind, "a subrequest");
        return NGX_HTTP_FORBIDDEN;
    }
    // The page is the application's, which checks the session itself.
    if (conf.endpoint->page != nullptr &&
        !conf.endpoint->page->location.empty() && (r->method & reads) != 0) {
        ngx_str_t name = copy(r->pool, conf.endpoint->page->location);
        return name.data == nullptr ? server_error
                                    : ngx_http_named_location(r, &name);
    }
    Visit* visit = visit_of(r);
    if (visit == nullptr) {
        return server_error;
    }
    visit->answered_here = true;
    // The request may come from a location whose requests end with their
    // session (X-Accel-Redirect). This endpoint may end that session itself.
    if (Worker* w = worker()) {
        w->open_requests().forget(*visit);
    }
    read_cookies(r, visit->arrival);
    const bool confirmed =
        conf.endpoint->kind == Endpoint::Kind::renew && sent_by_upstream(r);
    if (!confirmed) {
        ngx_int_t rc = admit(r, *conf.endpoint, *visit);
        if (rc != NGX_OK) {
            if (conf.endpoint->kind == Endpoint::Kind::login &&
                r->method == NGX_HTTP_POST) {
                LoginStory story;
                story.result = rc == NGX_HTTP_BAD_REQUEST
                                   ? LoginResult::malformed
                                   : LoginResult::origin;
                tell(r, *visit, story);
            } else if (rc == NGX_HTTP_FORBIDDEN) {
                log_forbidden(r, conf.endpoint->kind,
                              "another site has sent it, by Sec-Fetch-Site or "
                              "Origin");
            }
            return rc;
        }
    }
    Exchange* exchange = make_exchange(r, conf, *visit);
    return exchange == nullptr
               ? server_error
               : exchange->begin(/*with_body=*/(r->method & reads) == 0);
}

}  // namespace

ngx_int_t endpoint_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error, [&] { return answer(r); });
}

}  // namespace sigra::nginx
