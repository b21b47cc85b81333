// What the statements are built from; only for statements*.cpp.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "postgres/statements.hpp"

namespace sigra::postgres {

// Seconds since 1970 as a double. It does not depend on TimeZone for either
// timestamp type, keeps microseconds, and is far cheaper than the numeric of
// extract().
[[nodiscard]] std::string epoch(std::string_view expression);
// The time at which the statement began. now() would be that of the
// transaction, which all statements of a sync may share.
[[nodiscard]] std::string now_as(bool has_zone);
// A condition from the configuration in brackets. The line feed ends a comment
// in it.
[[nodiscard]] std::string condition(const std::string& sql);
[[nodiscard]] std::string quoted_literal(std::string_view text);

// SQL with names in braces for what differs between layouts. The columns are
// those of a row `t`. Operators, functions and types are qualified with
// pg_catalog, so that the role's search_path has no effect; IN, BETWEEN and the
// like are not used because they find their operators by search_path.
// OPERATOR() binds tighter than a comparison, so its operands need brackets.
//   {=} {<} {-} ...   operators
//   {id=} {key=} {email=}  the equality of a user's id, of a token row's id
//                     and of an email
//   {text} {bytea}    types
//   {users} {tokens}  the tables
//   {user}            the foreign key
//   {id}              the type of a user's id
//   {token} {type} {authenticated}  the columns, or a constant without one
//   {hash}            the payload of the row's notification
//   {live}            t is a session (or an API token), by its context
//   {logged_in}       AND ...: t is not of type mfa_pending
//   {sessions}        a derived table: id, user_id, token, type, inserted_at,
//                     authenticated_at, and {carried}
//   {carried}         columns that are only copied, each after a comma
//   {now}             the value to write to inserted_at
class Template {
  public:
    Template(const Layout& layout, const Catalog& catalog);

    void set(const std::string& name, std::string value);
    // Sets what `text` expands to.
    void define(const std::string& name, std::string_view text);
    [[nodiscard]] std::string expand(std::string_view text) const;

  private:
    std::map<std::string, std::string, std::less<>> values_;
};

// statements_lookup.cpp
[[nodiscard]] std::string lookup_sql(const Layout& layout,
                                     const Catalog& catalog);
[[nodiscard]] std::string lookup_part_sql(const Layout& layout,
                                          const Catalog& catalog);
[[nodiscard]] std::string lookup_many_sql(const Layout& layout,
                                          const Catalog& catalog);
// statements_user.cpp
[[nodiscard]] std::string find_user_sql(const Layout& layout,
                                        const Catalog& catalog);
[[nodiscard]] std::string attempt_sql(const Layout& layout,
                                      const Catalog& catalog);
[[nodiscard]] std::string forgive_sql(const Layout& layout,
                                      const Catalog& catalog);
// statements_session.cpp
[[nodiscard]] std::string login_sql(const Layout& layout,
                                    const Catalog& catalog);
[[nodiscard]] std::string logout_sql(const Layout& layout,
                                     const Catalog& catalog);
[[nodiscard]] std::string logout_everywhere_sql(const Layout& layout,
                                                const Catalog& catalog);
[[nodiscard]] std::string renew_sql(const Layout& layout,
                                    const Catalog& catalog);
[[nodiscard]] std::string reissue_sql(const Layout& layout,
                                      const Catalog& catalog);
[[nodiscard]] std::string take_back_sql(const Layout& layout,
                                        const Catalog& catalog);
[[nodiscard]] std::string prune_sql(const Layout& layout,
                                    const Catalog& catalog);
// statements_sessions.cpp
[[nodiscard]] std::string list_sessions_sql(const Layout& layout,
                                            const Catalog& catalog);
[[nodiscard]] std::string end_session_sql(const Layout& layout,
                                          const Catalog& catalog);

}  // namespace sigra::postgres
