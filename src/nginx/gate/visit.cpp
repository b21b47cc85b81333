#include "nginx/gate/visit.hpp"

#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

// Marks a visit's pool cleanup, which is how it is found again: an internal
// redirect clears the request's contexts, but not its pool.
[[gnu::hot]] void pool_goes(void*) noexcept {}

void request_goes(void* data) noexcept {
    auto* visit = static_cast<Visit*>(data);
    Lookup::detach(visit->waiter);
    if (visit->open != nullptr && worker() != nullptr) {
        worker()->open_requests().forget(*visit);
    }
}

Visit* search(ngx_http_request_t* r) {
    for (ngx_pool_cleanup_t* c = r->pool->cleanup; c != nullptr; c = c->next) {
        if (c->handler == pool_goes) {
            auto* visit = static_cast<Visit*>(c->data);
            if (visit->request == r) {
                return visit;
            }
        }
    }
    return nullptr;
}

Visit* make(ngx_http_request_t* r) {
    ngx_pool_cleanup_t* home = ngx_pool_cleanup_add(r->pool, sizeof(Visit));
    if (home == nullptr) {
        return nullptr;
    }
    auto* visit = new (home->data) Visit{};
    visit->request = r;
    home->handler = pool_goes;
    return visit;
}

}  // namespace

std::string_view name(Verdict verdict) {
    switch (verdict) {
        case Verdict::none:
            return "";
        case Verdict::hit:
            return "hit";
        case Verdict::miss:
            return "miss";
        case Verdict::anonymous:
            return "anonymous";
        case Verdict::expired:
            return "expired";
        case Verdict::unknown:
            return "unknown";
        case Verdict::invalid:
            return "invalid";
        case Verdict::stale:
            return "stale";
        case Verdict::error:
            return "error";
    }
    return "";
}

// What was promised to the client and what was read of him stays.
void Visit::forget_verdict() {
    Lookup::detach(waiter);
    step = Step::fresh;
    session_payload = {};
    session_sealed = false;
    session_invalid = has_token = from_remember_me = false;
    token = {};
    place_in_zone = nullptr;
    looked_up = {};
    cache = nullptr;
    verdict = Verdict::none;
    identified = false;
}

Visit* find_lost_visit(ngx_http_request_t* r) {
    // Only a redirect or a named location loses a context.
    if (!r->internal && r == r->main) {
        return nullptr;
    }
    Visit* visit = search(r);
    if (visit != nullptr) {
        ngx_http_set_ctx(r, visit, ngx_http_auth_sigra_module);
    }
    return visit;
}

[[gnu::hot]] Visit* visit_of(ngx_http_request_t* r) {
    Visit* visit = find_visit(r);
    if (visit == nullptr) {
        visit = make(r);
        ngx_http_set_ctx(r, visit, ngx_http_auth_sigra_module);
    }
    return visit;
}

bool watch(Visit& visit) {
    if (visit.watched) {
        return true;
    }
    ngx_http_cleanup_t* leaves = ngx_http_cleanup_add(visit.request, 0);
    if (leaves == nullptr) {
        return false;
    }
    leaves->data = &visit;
    leaves->handler = request_goes;
    visit.watched = true;
    return true;
}

phoenix::Session session_of(const Visit& visit) {
    if (visit.session_sealed) {
        return open_session(visit).value_or(phoenix::Session());
    }
    return phoenix::Session::decode(view(visit.session_payload))
        .value_or(phoenix::Session());
}

}  // namespace sigra::nginx
