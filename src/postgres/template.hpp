// What the statements are put together from; for statements*.cpp alone.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "postgres/statements.hpp"

namespace sigra::postgres {

// Seconds since 1970 as a double: the same for both timestamp types whatever
// the TimeZone, microseconds kept, and far cheaper than extract()'s numeric.
[[nodiscard]] std::string epoch(std::string_view expression);
// The statement's own time: now() would be that of the transaction, which a
// whole pipeline shares.
[[nodiscard]] std::string now_as(bool has_zone);
// A condition of the configuration in brackets; its line feed ends a comment.
[[nodiscard]] std::string condition(const std::string& sql);
[[nodiscard]] std::string quoted_literal(std::string_view text);

// SQL with names in braces, which stand for what differs from one layout to
// the next. The columns are those of a row `t`. Whatever the role's
// search_path, an operator, a function and a type are the catalog's own:
// IN, BETWEEN and the like would look for theirs there. OPERATOR() binds
// tighter than a comparison does: what stands beside it needs brackets.
//   {=} {<} {-} ...   operators
//   {id=} {key=} {email=}  the equality of a user's id, of a token row's id
//                     and of an email
//   {text} {bytea}    types
//   {users} {tokens}  the tables
//   {user}            the foreign key
//   {id}              the type of a user's id
//   {token} {type} {authenticated}  the columns, or what stands for them
//   {hash}            what is notified of the row
//   {live}            t is of the kind that sessions are
//   {logged_in}       AND ...: t is not of type mfa_pending
//   {sessions}        a derived table: id, user_id, token, type, inserted_at,
//                     authenticated_at, and {carried}
//   {carried}         the columns, with a comma before, of which the module
//                     knows nothing else
//   {now}             as it is written to inserted_at
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
