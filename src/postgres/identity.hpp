// Tells which server a connection leads to, and whether it accepts writes. Two
// connections with the same conninfo may lead to different servers.
#pragma once

#include <cstdint>
#include <string_view>

#include "postgres/pq.hpp"

namespace sigra::postgres {

struct Identity {
    std::uint64_t server = 0;  // a hash, for this process only; 0: unknown
    bool read_only = false;    // of the session, when it was asked
};

// Two columns for a select list.
[[nodiscard]] std::string_view identity_columns();

// Reads these two columns of the first row, beginning at `column`. Returns a
// default Identity if they are not there.
[[nodiscard]] Identity read_identity(const PGresult* result, int column);

}  // namespace sigra::postgres
