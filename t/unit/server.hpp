// The PostgreSQL that t/lib/with-postgres starts for the tests: SQL beside
// the code under test, databases, faults.
#pragma once

#include <libpq-fe.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/pool.hpp"

namespace sigra::test {

using postgres::Row;

// The folder of the cluster: certificates, data/postmaster.pid.
std::string server_folder();
std::string server_port();

// Over the unix socket, as the superuser.
std::string conninfo(const std::string& database);
// Over TCP, as the role sigra with its password.
std::string tcp_conninfo(const std::string& database,
                         const std::string& host = "127.0.0.1");

// Makes `database`, or empties its schema public.
void fresh_database(const std::string& database);
// t/lib/schema/FILE.sql; `variables` as psql takes them: "-v id=uuid".
void load_schema(const std::string& database, const std::string& file,
                 const std::string& variables = "");
// examples/revocation.sql over them.
void load_revocation(const std::string& database,
                     const std::string& variables = "");
// t/lib/private-postgres: stop, start, freeze, thaw.
void private_postgres(const std::string& command);

// A blocking session beside the pool. A statement that fails ends the test.
class Session {
  public:
    explicit Session(const std::string& database);
    ~Session() { PQfinish(conn_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    std::vector<Row> run(const std::string& sql);
    // $1, a bytea.
    std::vector<Row> run(const std::string& sql, const std::string& token);
    std::vector<Row> run(const std::string& sql,
                         const std::vector<postgres::Parameter>& parameters);
    // The same in two halves: others go on in between.
    void start(const std::string& sql,
               const std::vector<postgres::Parameter>& parameters);
    std::vector<Row> finish();
    // The first column of the first row.
    std::string value(const std::string& sql);
    // The SQLSTATE that a statement fails with; empty where it does not.
    std::string failure(
        const std::string& sql,
        const std::vector<postgres::Parameter>& parameters = {});
    // What was notified on `channel` since LISTEN, sorted.
    std::vector<std::string> notified(const std::string& channel);

    // What this session, which listens, was notified of since the last call.
    std::vector<std::string> notified();

    // Ends the other sessions of `application`; how many there were.
    int terminate(const std::string& application = "nginx auth_sigra");
    // Of the pool's sessions, or another application's, how many wait for a
    // lock.
    int blocked(const std::string& application = "nginx auth_sigra");

  private:
    std::vector<Row> take(PGresult* result, std::string_view sql);

    PGconn* conn_;
};

// A token of 32 bytes, NUL and all, for each number.
std::string token(int number);
// The same as an SQL literal.
std::string token_sql(int number);

}  // namespace sigra::test
