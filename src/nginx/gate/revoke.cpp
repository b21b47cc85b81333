#include "nginx/gate/revoke.hpp"

#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {

void revoke(const phoenix::Sha256& token_hash) {
    if (Worker* w = worker()) {
        w->revoke_token(token_hash);
    }
}

void revoke_replaced(const LocationConf& conf, const Visit& visit) {
    if (visit.verdict.has_token) {
        revoke(visit.verdict.token_hash);
    }
    if (std::string token = remembered_token(conf, visit); !token.empty()) {
        revoke(phoenix::sha256(token));
    }
}

void bar(const phoenix::Sha256& token_hash) {
    if (Worker* w = worker()) {
        w->bar(token_hash);
    }
}

}  // namespace sigra::nginx
