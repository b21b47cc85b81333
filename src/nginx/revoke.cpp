#include "nginx/revoke.hpp"

#include "nginx/gate.hpp"

namespace sigra::nginx {

void revoke(const LocationConf&, const phoenix::Sha256&) {}

void revoke_replaced(const LocationConf& conf, const Visit& visit) {
    if (visit.has_token) {
        revoke(conf, visit.token_hash);
    }
    if (std::string token = remembered_token(conf, visit); !token.empty()) {
        revoke(conf, phoenix::sha256(token));
    }
}

void bar(const LocationConf&, const phoenix::Sha256&) {}

}  // namespace sigra::nginx
