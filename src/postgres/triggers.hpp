// How a connection learns whether the triggers of examples/revocation.sql are
// there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postgres/layout.hpp"

namespace sigra::postgres {

// The answer is one row: the backend's process, and the tables that lack a
// trigger, NULL where none does.
struct TriggerLook {
    std::string sql;
    std::vector<std::string> parameters;
};

[[nodiscard]] TriggerLook look_for_triggers(const std::string& channel,
                                            const std::vector<Layout>& layouts);

}  // namespace sigra::postgres
