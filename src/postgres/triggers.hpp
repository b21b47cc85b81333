// The query that checks whether the triggers of examples/revocation.sql exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"

namespace sigra::postgres {

// The query returns one row: the process ID of the backend, the tables that
// lack a trigger (NULL if none does), and the oids of all tables looked at.
struct TriggerLook {
    std::string sql;
    std::vector<std::string> parameters;
};

[[nodiscard]] TriggerLook look_for_triggers(const std::string& channel,
                                            const std::vector<Layout>& layouts);

}  // namespace sigra::postgres
