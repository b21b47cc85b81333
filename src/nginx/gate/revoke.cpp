#include "nginx/gate/revoke.hpp"

#include <algorithm>

#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::nginx {

void revoke(const phoenix::Sha256& token_hash) {
    if (Worker* w = worker()) {
        w->revoke_token(token_hash);
    }
}

void revoke_rows(const std::vector<postgres::Row>& rows) {
    for (const postgres::Row& row : rows) {
        const auto bytes = row.empty() || !row[0]
                               ? std::nullopt
                               : phoenix::hex_decode(*row[0]);
        phoenix::Sha256 hash;
        if (bytes && bytes->size() == hash.size()) {
            std::copy(bytes->begin(), bytes->end(), hash.begin());
            revoke(hash);
        }
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
