// Parts that the statements on sessions share; only for statements_*.cpp.
#pragma once

#include <string_view>

#include "postgres/template.hpp"

namespace sigra::postgres {

// A session that takes a new token leaves a second row with the old token,
// which stays valid for a grace period of 60 seconds.
// {ttl}: the lifetime of a row t, in seconds. {grace}: by how much inserted_at
// of the row with the old token is earlier than that of the session's row.
// {last_minute}: t expires within 60 seconds, as a row with an old token does.
// It uses clock_timestamp(): a statement that waited for a lock may have begun
// before the one that held it, so the statement's own time may be too early.
void define_ttl(Template& sql, const Catalog& catalog,
                std::string_view standard, std::string_view remember_me);

// {kin}: the ids of the rows in `named` and of their kin: for a session's row
// the one with its old token, and for such a row the session's.
void define_kin(Template& sql);

// {gone}: deletes the rows whose ids are in `doomed`.
void define_gone(Template& sql);

// {notified}: calls pg_notify() for the hashes in `source`. {heard}: a
// condition that refers to it; PostgreSQL does not execute a SELECT in WITH
// otherwise.
void define_notified(Template& sql, const Layout& layout,
                     std::string_view source);

}  // namespace sigra::postgres
