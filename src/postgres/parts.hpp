// What the statements on sessions have in common; for statements_*.cpp alone.
#pragma once

#include <string_view>

#include "postgres/template.hpp"

namespace sigra::postgres {

// {ttl}: of a row t, in seconds. {grace}: how much older than the session's
// row is the one that keeps its old token for 60 s. {last_minute}: t is such a
// row, or dies as soon. The clock and not the statement's time is asked:
// whoever has waited for a lock may have begun before the other had.
void define_ttl(Template& sql, const Catalog& catalog,
                std::string_view standard, std::string_view remember_me);

// {kin}: the ids of the rows in `named` and of their kin: the row that keeps
// its old token, and the one whose old token it keeps.
void define_kin(Template& sql);

// {gone}: deletes the doomed.
void define_gone(Template& sql);

// {notified}: tells of the hashes in `source`; {heard} is a condition that
// has it executed, for a SELECT in WITH is not unless something asks for it.
void define_notified(Template& sql, const Layout& layout,
                     std::string_view source);

}  // namespace sigra::postgres
