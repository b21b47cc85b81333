#include "nginx/gate/visit.hpp"

#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

// The handler marks a visit's pool cleanup, so that the visit is found again:
// an internal redirect clears the request's contexts, but not its pool.
[[gnu::hot]] void pool_goes(void*) noexcept {}

void request_goes(void* data) noexcept {
    auto* visit = static_cast<Visit*>(data);
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
    Visit* main = r == r->main ? nullptr : visit_of(r->main);
    ngx_pool_cleanup_t* home =
        r != r->main && main == nullptr
            ? nullptr
            : ngx_pool_cleanup_add(r->pool, sizeof(Visit));
    if (home == nullptr) {
        return nullptr;
    }
    auto* visit = new (home->data) Visit{};
    visit->request = r;
    visit->main = r == r->main ? visit : main;
    home->handler = pool_goes;
    return visit;
}

}  // namespace

std::string_view name(Status status) {
    switch (status) {
        case Status::none:
            return "";
        case Status::hit:
            return "hit";
        case Status::miss:
            return "miss";
        case Status::anonymous:
            return "anonymous";
        case Status::expired:
            return "expired";
        case Status::unknown:
            return "unknown";
        case Status::invalid:
            return "invalid";
        case Status::stale:
            return "stale";
        case Status::error:
            return "error";
        case Status::forbidden:
            return "forbidden";
    }
    return "";
}

Visit* find_lost_visit(ngx_http_request_t* r) {
    // A context is lost only by an internal redirect, a named location, or a
    // header filter that answers with another status (412 to an If-Match).
    if (!r->internal && !r->filter_finalize && r == r->main) {
        return nullptr;
    }
    Visit* visit = search(r);
    if (visit != nullptr) {
        // The phases start again after a redirect: no location has judged
        // since.
        if (r->internal || r != r->main) {
            visit->verdict.judge = nullptr;
        }
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

}  // namespace sigra::nginx
