// What the module itself has revoked: known to this worker, and through the
// zone to all of this nginx, before the answer leaves.
#pragma once

#include <vector>

#include "nginx/conf/conf.hpp"
#include "nginx/gate/visit.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

void revoke(const phoenix::Sha256& token_hash);

// What a log-out returns: the hashes of what was deleted.
void revoke_rows(const std::vector<postgres::Row>& rows);

// The tokens of the request's cookies, which a new one has replaced.
void revoke_replaced(const LocationConf& conf, const Visit& visit);

// A log-out that did not reach the database: the token does not pass on the
// strength of what was known of it before.
void bar(const phoenix::Sha256& token_hash);

}  // namespace sigra::nginx
