#include "nginx/gate/access.hpp"

#include "nginx/counters.hpp"
#include "nginx/debug.hpp"
#include "nginx/gate/arrival.hpp"
#include "nginx/gate/gate.hpp"
#include "nginx/gate/question.hpp"
#include "nginx/gate/reissue.hpp"
#include "nginx/gate/request.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/upstream_headers.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

// True where every request passes: with `auth_sigra optional`, and on the path
// of the login page, where an inherited `auth_sigra on` would redirect visitors
// to that page for ever. Subrequests are not redirected.
[[gnu::hot]] bool is_open(ngx_http_request_t* r, const LocationConf& conf) {
    return conf.gate == gate_optional ||
           (r == r->main && conf.verify == nullptr && is_login_path(r, conf));
}

[[gnu::hot]] ngx_int_t let_in(ngx_http_request_t* r, const LocationConf& conf,
                              Visit& visit) {
    if (conf.reissue_age != 0 && reissue(r, conf, visit) == Reissue::wait) {
        return NGX_AGAIN;
    }
    visit.passed = true;
    on_pass(r, conf, visit);
    Worker* w = worker();
    if (conf.listened != nullptr && r == r->main && w != nullptr) {
        w->open_requests().add(visit, conf);
    }
    return NGX_OK;
}

// Every request passes, and the variables tell who sent it. Returns
// NGX_DECLINED, not NGX_OK, which `satisfy any` would take as permission.
ngx_int_t open_gate(ngx_http_request_t* r, const LocationConf& conf,
                    Visit& visit, Decision decision) {
    switch (decision) {
        case Decision::ask:
        case Decision::wait:
            return NGX_AGAIN;
        case Decision::two_cookies:
            return NGX_HTTP_BAD_REQUEST;
        case Decision::internal_error:
            return server_error;
        case Decision::pass:
        case Decision::forbidden:
        case Decision::not_fresh: {
            visit.everybody_passes = true;
            ngx_int_t rc = let_in(r, conf, visit);
            return rc == NGX_OK ? NGX_DECLINED : rc;
        }
        case Decision::anonymous:
        case Decision::no_answer:
            visit.everybody_passes = true;
            return NGX_DECLINED;
    }
    return server_error;
}

ngx_int_t closed_gate(ngx_http_request_t* r, const LocationConf& conf,
                      Visit& visit, Decision decision) {
    switch (decision) {
        case Decision::ask:
        case Decision::wait:
            return NGX_AGAIN;
        case Decision::pass:
            return let_in(r, conf, visit);
        case Decision::anonymous:
            return answer_anonymous(r, conf, visit);
        case Decision::forbidden:
            return answer_forbidden(r, visit);
        case Decision::not_fresh:
            return answer_not_fresh(r, conf, visit);
        case Decision::no_answer:
            return answer_unavailable(r, visit);
        case Decision::two_cookies:
            return NGX_HTTP_BAD_REQUEST;
        case Decision::internal_error:
            return server_error;
    }
    return server_error;
}

// Counts the request by its $auth_sigra_status, after the gate has acted on it.
// Takes a copy of the status, because the visit may be freed by then.
[[gnu::hot]] ngx_int_t counted(Status status, ngx_int_t rc) {
    if (rc != NGX_AGAIN && status != Status::none) {
        count(static_cast<Counter>(static_cast<unsigned>(Counter::request_hit) +
                                   static_cast<unsigned>(status) -
                                   static_cast<unsigned>(Status::hit)));
    }
    return rc;
}
static_assert(static_cast<unsigned>(Counter::request_forbidden) -
                  static_cast<unsigned>(Counter::request_hit) ==
              static_cast<unsigned>(Status::forbidden) -
                  static_cast<unsigned>(Status::hit));

std::string_view name(Decision decision) {
    switch (decision) {
        case Decision::ask:
            return "ask PostgreSQL";
        case Decision::wait:
            return "wait for PostgreSQL";
        case Decision::pass:
            return "pass";
        case Decision::anonymous:
            return "anonymous";
        case Decision::forbidden:
            return "auth_sigra_require is not met";
        case Decision::not_fresh:
            return "auth_sigra_sudo wants a fresh login";
        case Decision::no_answer:
            return "no answer";
        case Decision::two_cookies:
            return "two Cookie headers";
        case Decision::internal_error:
            return "internal error";
    }
    return "";
}

[[gnu::cold]] void tell(const ngx_http_request_t* r, const LocationConf& conf,
                        const Visit& visit, Decision decision) {
    debug(r, "gate \"" +
                 std::string(conf.gate == gate_optional ? "optional" : "on") +
                 "\": " + std::string(name(decision)) + ", status " +
                 std::string(name(visit.verdict.status)));
}

[[gnu::hot]] ngx_int_t gate(ngx_http_request_t* r, const LocationConf& conf) {
    // Endpoints check the session themselves.
    if (conf.gate == gate_off || is_endpoint(r, conf)) {
        return NGX_DECLINED;
    }
    if (conf.preflight == preflight_pass && is_preflight(r)) {
        return NGX_DECLINED;
    }
    Visit* visit = visit_of(r);
    if (visit == nullptr) {
        return server_error;
    }
    Decision decision = decide(r, conf, *visit);
    if (decision == Decision::ask && !ask_in_phases(*visit)) {
        decision = decide(r, conf, *visit);
    }
    if (debugs(r)) {
        tell(r, conf, *visit, decision);
    }
    const Status status = visit->verdict.status;
    return counted(status, is_open(r, conf)
                               ? open_gate(r, conf, *visit, decision)
                               : closed_gate(r, conf, *visit, decision));
}

}  // namespace

[[gnu::hot]] ngx_int_t access_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error,
                   [&] { return gate(r, location_conf(r)); });
}

[[gnu::hot]] ngx_int_t preaccess_handler(ngx_http_request_t* r) noexcept {
    if (r == r->main) {
        return NGX_DECLINED;
    }
    return guarded(r->connection->log, server_error, [&]() -> ngx_int_t {
        ngx_int_t rc = gate(r, location_conf(r));
        return rc == NGX_OK ? NGX_DECLINED : rc;
    });
}

[[gnu::hot]] ngx_int_t precontent_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error, [&]() -> ngx_int_t {
        return prepare_upstream_headers(r, location_conf(r)) ? NGX_DECLINED
                                                             : server_error;
    });
}

}  // namespace sigra::nginx
