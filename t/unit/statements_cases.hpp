// The variants of the layouts, each with users and sessions in a database.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "postgres/statements.hpp"
#include "server.hpp"

namespace sigra::test {

using postgres::Catalog;
using postgres::Layout;
using postgres::LayoutKind;
using postgres::Parameter;
using postgres::Statement;

struct Case {
    const char* title;
    LayoutKind kind;
    const char* file;
    const char* id;
    bool zones;  // timestamptz instead of timestamp
};
extern const std::vector<Case> cases;

bool is_sessions(const Layout& layout);
Layout layout_of(const Case& a);
Catalog catalog_of(Session& session, const Layout& layout,
                   std::string* error = nullptr);
void add_zones(Session& session, const Layout& layout);
void add_user(Session& session, const Case& a, const std::string& email);
// Adds a session of the user that is `age` old. Its context or type is `kind`.
void add_session(Session& session, const Case& a, int number,
                 const std::string& email, const std::string& age,
                 const std::string& kind);

inline Parameter text(std::string value) {
    return {std::move(value), false};
}
// A float8 in binary format.
std::string binary(double value);
// The token with that number; NULL for 0.
inline Parameter token_parameter(int number) {
    return {number ? std::optional(token(number)) : std::nullopt, true};
}

// The database of a case, and helpers to run the statements. Sessions are
// identified by the number of their token.
class Site {
  public:
    Site(const std::string& database, const Case& of);

    [[nodiscard]] std::string sql(Statement statement);
    std::vector<Row> ask(Statement statement,
                         const std::vector<Parameter>& parameters);

    void user(const std::string& email) { add_user(session, a, email); }
    // `type` is used if the layout has types.
    void login(int number, const std::string& email,
               const std::string& age = "1 hour",
               const std::string& type = "standard");
    // Adds a row that is not a session: with another context, or mfa_pending.
    void other(int number, const std::string& email);

    std::string id(const std::string& email);
    // An expression on the row of a user, or of a session.
    std::string user_value(const std::string& email,
                           const std::string& expression);
    std::string value(int number, const std::string& expression);
    void set(int number, const std::string& assignments);
    // The numbers of the tokens that have a row: "1 2 17".
    std::string tokens();
    // The hash of a token, as in a notification.
    std::string hash(int number);
    // In Unix seconds, whatever the column's type.
    static std::string seconds(const std::string& expression) {
        return "floor(date_part('epoch', " + expression + "))::bigint";
    }

    Case a;
    std::string database;
    Session session;
    Layout layout;
    bool sessions;
    bool has_authenticated_at;
    std::string token_column;
    std::string authenticated;  // the column
};

// Several database sessions, all with the same application_name.
class Crowd {
  public:
    Crowd(const std::string& database, int count);
    void start(const std::string& sql,
               const std::vector<Parameter>& parameters);
    // Waits until all of them wait for a lock.
    void wait_until_blocked(Session& session);
    std::vector<std::vector<Row>> finish();
    Session& operator[](std::size_t i) { return *sessions_[i]; }

  private:
    std::vector<std::unique_ptr<Session>> sessions_;
};

}  // namespace sigra::test
