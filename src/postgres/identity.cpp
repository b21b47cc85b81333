#include "postgres/identity.hpp"

#include <functional>

namespace sigra::postgres {

// The database is included because a notification is only seen in its own
// database. The address is not: a server has one over TCP, none over its
// socket, and behind a pooler it is the pooler's. The role may have no right to
// call pg_control_system(), and CASE does not prevent the error. So the call is
// in a string, which is executed only if the role has the right.
std::string_view identity_columns() {
    return "pg_catalog.concat_ws(' ', CASE WHEN"
           " pg_catalog.has_function_privilege(pg_catalog.to_regprocedure("
           "'pg_catalog.pg_control_system()'), 'EXECUTE')"
           " THEN pg_catalog.query_to_xml('SELECT system_identifier"
           " FROM pg_catalog.pg_control_system()', true, false, '')"
           "::pg_catalog.text END,"
           " extract(epoch FROM pg_catalog.pg_postmaster_start_time()),"
           " pg_catalog.pg_is_in_recovery(),"
           " pg_catalog.current_setting('port'),"
           " pg_catalog.current_database()),"
           " pg_catalog.current_setting('transaction_read_only')";
}

Identity read_identity(const PGresult* result, int column) {
    Identity identity;
    if (PQntuples(result) < 1 || PQnfields(result) < column + 2) {
        return identity;
    }
    const std::string_view text = PQgetvalue(result, 0, column);
    identity.server = std::hash<std::string_view>()(text) | 1;
    identity.read_only =
        std::string_view(PQgetvalue(result, 0, column + 1)) == "on";
    return identity;
}

}  // namespace sigra::postgres
