// Undoes the replacement of a token where the client never got the new one: the
// old token is valid again, for as long as it was before.
#pragma once

#include <string>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

// The tokens of a renewal or a reissue.
struct Rotation {
    const Source* source = nullptr;
    std::string old_token;  // both raw
    std::string new_token;
};

// `outcome` is that of the renewal or reissue; nothing is done if it replaced
// no token. Nobody waits for this.
void take_back(const Rotation& rotation,
               const postgres::Outcome& outcome) noexcept;

}  // namespace sigra::nginx
