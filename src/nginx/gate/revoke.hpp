// Records what the module itself has revoked: for this worker, and through the
// zones for all workers, before the response is sent.
#pragma once

#include <vector>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

void revoke(const phoenix::Sha256& token_hash);

// The rows that a log-out has deleted; each holds its token's hash in hex.
void revoke_rows(const std::vector<postgres::Row>& rows);

// The tokens of the request's cookies, after a new one has replaced them.
void revoke_replaced(const LocationConf& conf, const Visit& visit);

// After a log-out that did not reach the database: no entry of the cache lets
// the token pass any more.
void bar(const phoenix::Sha256& token_hash);

}  // namespace sigra::nginx
