// A session took a new token, and nobody was left to hear of it: the old one is
// good again, for as long as it was.
#pragma once

#include <string>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/pool.hpp"

namespace sigra::nginx {

// What a renewal or a reissue was asked for.
struct Rotation {
    const Source* source = nullptr;
    std::string old_token;  // both raw
    std::string new_token;
};

// `outcome`: of the one or the other. Nobody waits for what is done of it.
void take_back(const Rotation& rotation,
               const postgres::Outcome& outcome) noexcept;

}  // namespace sigra::nginx
