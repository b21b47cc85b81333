// auth_sigra_verify: lets other proxies ask the gate. It has judged by the
// location's own rules before this handler runs, which only says who it is.
#include "nginx/conf/arguments.hpp"
#include "nginx/conf/conf.hpp"
#include "nginx/conf/directives.hpp"
#include "nginx/conf/setter.hpp"
#include "nginx/gate/answer.hpp"
#include "nginx/gate/response.hpp"
#include "nginx/gate/upstream_headers.hpp"
#include "nginx/gate/visit.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_int_t server_error = NGX_HTTP_INTERNAL_SERVER_ERROR;

// Verified is only what this very location has let pass because of a session:
// not where the gate is off or optional, or where `satisfy any` has let it
// pass.
bool is_verified(const Visit* visit, const LocationConf& conf) {
    return visit != nullptr && visit->passed && visit->verdict.judge == &conf &&
           visit->verdict.identified &&
           visit->verdict.status != Status::forbidden;
}

ngx_int_t verify(ngx_http_request_t* r) {
    const LocationConf& conf = location_conf(r);
    const ngx_int_t rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }
    Visit* visit = visit_of(r);
    if (visit == nullptr) {
        return server_error;
    }
    visit->answered_here = true;  // so that nobody stores it
    if (!is_verified(visit, conf)) {
        return visit->verdict.judge == &conf &&
                       visit->verdict.status == Status::error
                   ? answer_unavailable(r, *visit)
                   : NGX_HTTP_UNAUTHORIZED;
    }
    if (!add_identity_to_answer(r, conf, visit->verdict.looked_up)) {
        return server_error;
    }
    return send(r, NGX_HTTP_OK, "text/plain", "");
}

ngx_int_t verify_handler(ngx_http_request_t* r) noexcept {
    return guarded(r->connection->log, server_error, [&] { return verify(r); });
}

bool add_trusted(ngx_conf_t* cf, Verify& verify, std::string_view word) {
    if (verify.trusted == nullptr) {
        verify.trusted = ngx_array_create(cf->pool, 4, sizeof(ngx_cidr_t));
    }
    auto* cidr = verify.trusted == nullptr
                     ? nullptr
                     : static_cast<ngx_cidr_t*>(ngx_array_push(verify.trusted));
    if (cidr == nullptr) {
        throw std::bad_alloc();
    }
    *cidr = ngx_cidr_t{};
    if (word == "unix:") {
        cidr->family = AF_UNIX;
        return true;
    }
    ngx_str_t text = as_ngx_str(word);
    const ngx_int_t rc = ngx_ptocidr(&text, cidr);
    if (rc == NGX_DONE) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "low address bits of %V are meaningless", &text);
    }
    return rc != NGX_ERROR;
}

}  // namespace

char* set_verify(ngx_conf_t* cf, ngx_command_t*, void* conf) noexcept {
    return setter(cf, [&]() -> char* {
        auto* core = static_cast<ngx_http_core_loc_conf_t*>(
            ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
        Arguments arguments(cf, cf->args->nelts);
        if (core->handler != nullptr) {
            arguments.fail(beside_another_handler("\"auth_sigra_verify\""));
            return arguments.finish();
        }
        auto* verify = make<Verify>(cf);
        constexpr std::string_view name = "trusted=";
        for (ngx_uint_t i = 1; i < cf->args->nelts; i++) {
            const std::string_view word = arguments.word(i);
            if (!word.starts_with(name) ||
                !add_trusted(cf, *verify, word.substr(name.size()))) {
                arguments.fail("invalid parameter \"" + std::string(word) +
                               "\", say trusted=CIDR, once for each network");
            }
        }
        verify->handler = verify_handler;
        location(conf).verify = verify;
        core->handler = verify_handler;
        return arguments.finish();
    });
}

}  // namespace sigra::nginx
