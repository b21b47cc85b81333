#include "server.hpp"

#include <algorithm>
#include <cstdlib>

#include "unit.hpp"

namespace sigra::test {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (!value) {
        print_error("%s is not set: run under t/lib/with-postgres\n", name);
        std::exit(1);
    }
    return value;
}

void shell(const std::string& command) {
    unit::check(std::system(command.c_str()) == 0, command);
}

void run_file(const std::string& database, const std::string& file,
              const std::string& variables) {
    shell("psql -X -q -d '" + conninfo(database) + "' " + variables + " -f " +
          file + " >/dev/null");
}

}  // namespace

std::string server_folder() {
    return environment("SIGRA_TEST_PGDIR");
}

std::string server_port() {
    return environment("SIGRA_TEST_PGPORT");
}

std::string conninfo(const std::string& database) {
    return "host=" + environment("SIGRA_TEST_PGHOST") +
           " port=" + server_port() + " user=postgres dbname=" + database;
}

std::string tcp_conninfo(const std::string& database, const std::string& host) {
    return "host=" + host + " port=" + server_port() +
           " user=sigra password=" + environment("SIGRA_TEST_PGPASSWORD") +
           " dbname=" + database;
}

void fresh_database(const std::string& database) {
    Session session("postgres");
    const std::string there = session.value(
        "SELECT count(*) FROM pg_database WHERE datname = '" + database + "'");
    if (there == "0") {
        session.run("CREATE DATABASE " + database);
    } else {
        // A test that failed may have left sessions behind.
        session.run(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = '" +
            database + "'");
        Session inside(database);
        inside.run(
            "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
            "GRANT USAGE ON SCHEMA public TO PUBLIC");
    }
}

void load_schema(const std::string& database, const std::string& file,
                 const std::string& variables) {
    run_file(database, "t/lib/schema/" + file + ".sql", variables);
}

void load_revocation(const std::string& database,
                     const std::string& variables) {
    run_file(database, "examples/revocation.sql", variables);
}

void private_postgres(const std::string& command) {
    shell("t/lib/private-postgres " + command + " " + server_folder());
}

Session::Session(const std::string& database)
    : conn_(PQconnectdb(conninfo(database).c_str())) {
    unit::check(PQstatus(conn_) == CONNECTION_OK, PQerrorMessage(conn_));
    run("SET client_min_messages = warning");
}

std::vector<Row> Session::take(PGresult* result, std::string_view sql) {
    const ExecStatusType status = PQresultStatus(result);
    unit::check(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK,
                std::string(sql) + ": " + PQerrorMessage(conn_));
    std::vector<Row> rows;
    for (int y = 0; y < PQntuples(result); y++) {
        Row& row = rows.emplace_back();
        for (int x = 0; x < PQnfields(result); x++) {
            const auto length =
                static_cast<std::size_t>(PQgetlength(result, y, x));
            row.push_back(PQgetisnull(result, y, x)
                              ? std::nullopt
                              : std::optional<std::string>(
                                    {PQgetvalue(result, y, x), length}));
        }
    }
    PQclear(result);
    return rows;
}

std::vector<Row> Session::run(const std::string& sql) {
    return take(PQexec(conn_, sql.c_str()), sql);
}

std::vector<Row> Session::run(
    const std::string& sql, const std::vector<postgres::Parameter>& parameters,
    bool has_binary_rows) {
    start(sql, parameters, has_binary_rows);
    return finish();
}

void Session::start(const std::string& sql,
                    const std::vector<postgres::Parameter>& parameters,
                    bool has_binary_rows) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    for (const postgres::Parameter& parameter : parameters) {
        const bool null = !parameter.bytes;
        values.push_back(null ? nullptr : parameter.bytes->c_str());
        lengths.push_back(null ? 0 : static_cast<int>(parameter.bytes->size()));
        formats.push_back(parameter.binary ? 1 : 0);
    }
    unit::check(
        PQsendQueryParams(conn_, sql.c_str(), static_cast<int>(values.size()),
                          nullptr, values.data(), lengths.data(),
                          formats.data(), has_binary_rows ? 1 : 0) == 1,
        PQerrorMessage(conn_));
}

std::vector<Row> Session::finish() {
    std::vector<Row> rows;
    while (PGresult* result = PQgetResult(conn_)) {
        rows = take(result, "a statement with parameters");
    }
    return rows;
}

std::string Session::value(const std::string& sql) {
    const auto rows = run(sql);
    unit::check(!rows.empty() && !rows[0].empty(), sql);
    return rows[0][0].value_or("");
}

std::string Session::failure(
    const std::string& sql,
    const std::vector<postgres::Parameter>& parameters) {
    start(sql, parameters);
    std::string failure;
    while (PGresult* result = PQgetResult(conn_)) {
        const char* sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        failure = sqlstate ? sqlstate : "";
        PQclear(result);
    }
    return failure;
}

// Notifications arrive in commit order: when the session receives its own, it
// has received all that were sent before.
std::vector<std::string> Session::notified(const std::string& channel) {
    const std::string end = "the end";
    run("SELECT pg_notify('" + channel + "', '" + end + "')");
    std::vector<std::string> payloads;
    while (true) {
        PGnotify* notify = PQnotifies(conn_);
        unit::check(notify != nullptr, "the session's own notification");
        const std::string payload = notify->extra;
        PQfreemem(notify);
        if (payload == end) {
            break;
        }
        payloads.push_back(payload);
    }
    std::sort(payloads.begin(), payloads.end());
    return payloads;
}

std::vector<std::string> Session::notified() {
    std::vector<std::string> payloads;
    while (PGnotify* notify = PQnotifies(conn_)) {
        payloads.emplace_back(notify->extra);
        PQfreemem(notify);
    }
    return payloads;
}

int Session::terminate(const std::string& application) {
    return static_cast<int>(
        run("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = '" +
            application + "' AND pid <> pg_backend_pid()")
            .size());
}

int Session::blocked(const std::string& application) {
    run("SELECT pg_stat_clear_snapshot()");
    return std::stoi(
        value("SELECT count(*) FROM pg_stat_activity WHERE"
              " wait_event_type = 'Lock' AND application_name = '" +
              application + "'"));
}

std::string token(int number) {
    std::string bytes = "token " + std::to_string(number);
    bytes.resize(32, '\0');
    bytes.back() = '\xff';
    return bytes;
}

std::string token_sql(int number) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string sql = "'\\x";
    for (const char c : token(number)) {
        const auto byte = static_cast<unsigned char>(c);
        sql += digits[byte >> 4];
        sql += digits[byte & 15];
    }
    return sql + "'";
}

}  // namespace sigra::test
