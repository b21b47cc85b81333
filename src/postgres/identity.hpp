// Which server it is that answers, and whether it takes writes. Two
// connections by the same conninfo may lead to two servers.
#pragma once

#include <cstdint>
#include <string_view>

#include "postgres/pq.hpp"

namespace sigra::postgres {

struct Identity {
    std::uint64_t server = 0;  // of this process alone; 0: not known
    bool read_only = false;    // now, for this session
};

// Two columns, for a select list.
[[nodiscard]] std::string_view identity_columns();

// From these columns of the first row, the first of them at `column`.
[[nodiscard]] Identity read_identity(const PGresult* result, int column);

}  // namespace sigra::postgres
