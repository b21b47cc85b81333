// The PostgreSQL that t/lib/with-postgres starts for the tests: sessions for
// the test's own SQL, databases, faults.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/pool.hpp"

namespace sigra::test {

using postgres::Row;

// The directory of the cluster: certificates, data/postmaster.pid.
std::string server_folder();
std::string server_port();

// A connection string for the unix socket, as the superuser.
std::string conninfo(const std::string& database);
// A connection string for TCP, as the role sigra with its password.
std::string tcp_conninfo(const std::string& database,
                         const std::string& host = "127.0.0.1");

// Creates `database`, or empties its schema public.
void fresh_database(const std::string& database);
// Loads t/lib/schema/FILE.sql; `variables` are options of psql: "-v id=uuid".
void load_schema(const std::string& database, const std::string& file,
                 const std::string& variables = "");
// Loads examples/revocation.sql.
void load_revocation(const std::string& database,
                     const std::string& variables = "");
// Runs t/lib/private-postgres with stop, start, freeze or thaw.
void private_postgres(const std::string& command);

// A database session of the test, with blocking calls. A statement that fails
// ends the test.
class Session {
  public:
    explicit Session(const std::string& database);
    ~Session() { PQfinish(conn_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    std::vector<Row> run(const std::string& sql);
    std::vector<Row> run(const std::string& sql,
                         const std::vector<postgres::Parameter>& parameters,
                         bool has_binary_rows = false);
    // The same in two steps, so that the test can go on in between.
    void start(const std::string& sql,
               const std::vector<postgres::Parameter>& parameters,
               bool has_binary_rows = false);
    std::vector<Row> finish();
    // The first column of the first row.
    std::string value(const std::string& sql);
    // The SQLSTATE that a statement fails with; empty if it succeeds.
    std::string failure(
        const std::string& sql,
        const std::vector<postgres::Parameter>& parameters = {});
    // The payloads notified on `channel` since LISTEN, sorted.
    std::vector<std::string> notified(const std::string& channel);

    // The payloads that this session received since the last call.
    std::vector<std::string> notified();

    // Terminates the other sessions of `application` and returns how many.
    int terminate(const std::string& application = "nginx auth_sigra");
    // How many sessions of the pool, or of `application`, wait for a lock.
    int blocked(const std::string& application = "nginx auth_sigra");

  private:
    std::vector<Row> take(PGresult* result, std::string_view sql);

    PGconn* conn_;
};

// A token of 32 bytes for each number; it contains NULs.
std::string token(int number);
// The same as an SQL literal.
std::string token_sql(int number);

}  // namespace sigra::test
