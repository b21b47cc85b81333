// Who a session's token belongs to, and what every location asks of its user:
// one statement for all of them.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

using Row = std::vector<std::optional<std::string>>;

// The columns of a lookup. Where the layout has facts, an attribute each
// follows.
enum Field : std::size_t {
    user_id,
    email,
    now,
    inserted,
    authenticated,
    active,
    flags,
    first_attribute,
};

// A column costs the server and its client more than what is in it, and so the
// flags are one: whether the row is of type remember_me ("t" or "f"; "f" may be
// missing before a number), and which facts there are. Where they are all
// evaluated that is a bit for each condition that holds, and above them one
// more that is always set, which says how many they are. Else three numbers,
// with a blank between: what holds, what was evaluated, and which attributes.

std::string bigint(std::uint64_t bits) {
    return quoted_literal(bits_parameter(bits)) + "::pg_catalog.int8";
}

// CASE WHEN asked for THEN value ELSE otherwise END. What is not asked for is
// not evaluated: an error in it is nobody else's.
std::string where_asked(std::string_view parameter, std::uint64_t bit,
                        const std::string& value,
                        const std::string& otherwise) {
    return "CASE WHEN (" + std::string(parameter) +
           "::pg_catalog.int8 OPERATOR(pg_catalog.&) " + bigint(bit) +
           ") OPERATOR(pg_catalog.<>) " + bigint(0) + " THEN " + value +
           " ELSE " + otherwise + " END";
}

std::uint64_t known_bits(const std::vector<std::string>& facts) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < facts.size(); i++) {
        bits |= facts[i].empty() ? 0 : std::uint64_t{1} << i;
    }
    return bits;
}

std::string asked_bits(std::string_view parameter,
                       const std::vector<std::string>& facts) {
    if (parameter.empty()) {
        return quoted_literal(bits_parameter(known_bits(facts)));
    }
    return "(" + std::string(parameter) +
           "::pg_catalog.int8 OPERATOR(pg_catalog.&) " +
           bigint(known_bits(facts)) + ")";
}

// How much of what is known is asked for. A mask costs a fifth of a lookup, and
// is needed only to find out which one of many fails for a row.
enum class Asked { all, some };

bool are_known(const std::vector<std::string>& facts) {
    return std::find(facts.begin(), facts.end(), "") == facts.end();
}

// There are as many as are configured, and a bit is left to say so.
bool says_how_many(const Layout& layout, Asked asked) {
    return asked == Asked::all && layout.conditions.size() < max_conditions &&
           are_known(layout.conditions) && are_known(layout.attributes);
}

// `always`: bits that are set whatever holds.
std::string met_bits(const std::vector<std::string>& conditions, Asked asked,
                     std::uint64_t always) {
    std::string bits;
    for (std::size_t i = 0; i < conditions.size(); i++) {
        if (conditions[i].empty()) {
            continue;
        }
        const std::uint64_t bit = std::uint64_t{1} << i;
        const std::uint64_t least = bits.empty() ? always : 0;
        const std::string one = "CASE WHEN " + condition(conditions[i]) +
                                " THEN " + bigint(least | bit) + " ELSE " +
                                bigint(least) + " END";
        bits += bits.empty() ? "(" : " OPERATOR(pg_catalog.|) (";
        bits += asked == Asked::all
                    ? one
                    : where_asked("$2", bit, one, bigint(least));
        bits += ")";
    }
    return bits.empty() ? bigint(always) : bits;
}

std::string flags_column(const Layout& layout, Asked asked) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    const char* const remember_me =
        sessions ? "t.type {=} 'remember_me'" : "false";
    if (!layout.has_facts()) {
        return remember_me;
    }
    if (says_how_many(layout, asked)) {
        return sessions ? "pg_catalog.concat(" + std::string(remember_me) +
                              ", u.met)"
                        : "u.met";
    }
    const bool all = asked == Asked::all;
    return "pg_catalog.concat(" + std::string(remember_me) + ", u.met, ' ', " +
           asked_bits(all ? "" : "$2", layout.conditions) + ", ' ', " +
           asked_bits(all ? "" : "$3", layout.attributes) + ")";
}

std::string attribute_columns(const std::vector<std::string>& attributes,
                              Asked asked) {
    std::string columns;
    for (std::size_t i = 0; i < attributes.size(); i++) {
        const std::string one = condition(attributes[i]) + "::pg_catalog.text";
        columns += ", ";
        columns += attributes[i].empty() ? "NULL::pg_catalog.text"
                   : asked == Asked::all
                       ? one
                       : where_asked("$3", std::uint64_t{1} << i, one, "NULL");
        columns += " AS attribute_" + std::to_string(i);
    }
    return columns;
}

std::string attribute_names(const Layout& layout) {
    std::string names;
    for (std::size_t i = 0; i < layout.attributes.size(); i++) {
        names += ", u.attribute_" + std::to_string(i);
    }
    return names;
}

// LATERAL: a condition may call a function that is volatile, and then the
// planner does not pull the subquery up. It would be evaluated for each user
// that there is. OFFSET 0, where there is a `where`: in small tables the
// planner would begin with the users, and an error of one who was not asked for
// would be everybody's. It costs nothing: the plan has no node for it.
constexpr std::string_view lateral =
    "{checked}SELECT u.id::{text}, u.email::{text}, {now_epoch}, "
    "{inserted_epoch},"
    " {authenticated_epoch}, {active_epoch}, {flags}{names} FROM {tokens} t"
    " JOIN LATERAL (SELECT u.id, u.email{facts} FROM {users} u"
    " WHERE u.id {id=} t.{user}{where}{fence}) u ON true"
    " WHERE t.{token} {=} {asked} AND {live}{logged_in}{sent_to}";

constexpr std::string_view plain =
    "SELECT u.id::{text}, u.email::{text}, {now_epoch}, {inserted_epoch},"
    " {authenticated_epoch}, {active_epoch}, {flags} FROM {tokens} t"
    " JOIN {users} u ON u.id {id=} t.{user}"
    " WHERE t.{token} {=} {asked} AND {live}{logged_in}{sent_to}";

// The lookup of one for each token of an array. The subselect hides the array
// from the planner: to a short one it would give a plan of its own each time.
// OFFSET 0 keeps each token to its own row, by the index, however small the
// tables were when the plan was made.
constexpr std::string_view together =
    "SELECT one.*, asked.number FROM pg_catalog.unnest("
    "(SELECT $1::{bytea}[])) WITH ORDINALITY asked (token, number)"
    " CROSS JOIN LATERAL ({one} OFFSET 0) one";

std::optional<double> number(const std::optional<std::string>& text) {
    double value = 0;
    if (!text) {
        return std::nullopt;
    }
    const char* end = text->data() + text->size();
    const auto [stop, code] = std::from_chars(text->data(), end, value);
    if (code != std::errc() || stop != end || std::isnan(value)) {
        return std::nullopt;
    }
    return value;
}

// Takes a number from the front of a text.
std::optional<std::uint64_t> take_bits(std::string_view& text) {
    std::int64_t value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    if (code != std::errc()) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> take_next_bits(std::string_view& text) {
    if (!text.starts_with(' ')) {
        return std::nullopt;
    }
    text.remove_prefix(1);
    return take_bits(text);
}

// A timestamp may be infinite, and what is reckoned with it has room.
std::int64_t clamped(double value) {
    constexpr auto bound = static_cast<double>(max_time);
    return static_cast<std::int64_t>(std::clamp(value, -bound, bound));
}

// False: they are not of the shape that a lookup returns.
bool read_flags(std::string_view text, std::size_t attributes,
                SessionRow& session) {
    session.remember_me = text.starts_with('t');
    const bool has_letter = session.remember_me || text.starts_with('f');
    text.remove_prefix(has_letter ? 1 : 0);
    if (text.empty()) {
        return has_letter && attributes == 0;
    }
    const auto met = take_bits(text);
    if (!met || attributes > max_attributes) {
        return false;
    }
    if (text.empty()) {
        // Without the bit on top there is nothing to go by.
        if (*met == 0) {
            return false;
        }
        session.judged = std::bit_floor(*met) - 1;
        session.readable =
            static_cast<std::uint32_t>((std::uint64_t{1} << attributes) - 1);
    } else {
        const auto judged = take_next_bits(text);
        const auto readable = take_next_bits(text);
        if (!judged || !readable || !text.empty()) {
            return false;
        }
        session.judged = *judged;
        session.readable = static_cast<std::uint32_t>(*readable);
    }
    session.met = *met & session.judged;
    return true;
}

}  // namespace

// PostgreSQL's bigint has a sign.
std::string bits_parameter(std::uint64_t bits) {
    return std::to_string(static_cast<std::int64_t>(bits));
}

namespace {

// What stands for the token: a parameter, or one of an array.
enum class Token { parameter, element };

// A text that closes a bracket which it has not opened, "a) OR (b", would undo
// what stands beside it: that the user is the session's own. Between brackets
// of another kind it does not parse, and then no statement of the layout is
// used; this one is prepared before any. Nor has it other names here than those
// of the users row. A subquery that nobody refers to is parsed and no more.
constexpr std::string_view checked =
    "WITH checked AS (SELECT 1 FROM {users} u WHERE ARRAY[{text_of_where}\n]"
    " IS NULL) ";

std::string facts(const Layout& layout, Asked asked) {
    const std::uint64_t always = says_how_many(layout, asked)
                                     ? std::uint64_t{1}
                                           << layout.conditions.size()
                                     : 0;
    return ", " + met_bits(layout.conditions, asked, always) + " AS met" +
           attribute_columns(layout.attributes, asked);
}

std::string lookup_sql(const Layout& layout, const Catalog& catalog,
                       Asked asked, Token token) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    Template sql(layout, catalog);
    sql.set("now_epoch", epoch("pg_catalog.statement_timestamp()"));
    sql.set("inserted_epoch", epoch("t.inserted_at"));
    sql.set("authenticated_epoch", !catalog.has_authenticated_at ? "NULL"
                                   : sessions ? epoch("t.sudo_at")
                                              : epoch("t.authenticated_at"));
    sql.set("active_epoch", sessions ? epoch("t.last_active_at") : "NULL");
    sql.define("flags", flags_column(layout, asked));
    // To whom it was given out: where the email has changed since, somebody
    // else may have it by now.
    sql.define("sent_to", layout.context.empty()
                              ? ""
                              : " AND t.sent_to::{text} {=} u.email::{text}");
    sql.set("asked", token == Token::element ? "asked.token" : "$1");
    const bool is_fenced = !layout.where.empty();
    if (!is_fenced && !layout.has_facts()) {
        return sql.expand(plain);
    }
    if (is_fenced) {
        sql.set("where", " AND " + condition(layout.where));
        sql.set("fence", " OFFSET 0");
    }
    if (is_fenced && token == Token::parameter) {
        sql.set("text_of_where", layout.where);
        sql.define("checked", checked);
    }
    sql.set("facts", layout.has_facts() ? facts(layout, asked) : "");
    sql.set("names", attribute_names(layout));
    return sql.expand(lateral);
}

}  // namespace

std::string lookup_sql(const Layout& layout, const Catalog& catalog) {
    return lookup_sql(layout, catalog, Asked::all, Token::parameter);
}

std::string lookup_part_sql(const Layout& layout, const Catalog& catalog) {
    return layout.has_facts()
               ? lookup_sql(layout, catalog, Asked::some, Token::parameter)
               : "";
}

std::string lookup_many_sql(const Layout& layout, const Catalog& catalog) {
    Template sql(layout, catalog);
    sql.set("one", lookup_sql(layout, catalog, Asked::all, Token::element));
    return sql.expand(together);
}

// As a lookup has it: beside another column, and where it is only evaluated if
// it is asked for. An aggregate or a set would pass by itself and fail there.
std::string condition_check_sql(const Layout& layout, const Catalog& catalog,
                                const std::string& text) {
    Template sql(layout, catalog);
    sql.set("condition", condition(text));
    return sql.expand(
        "SELECT {condition} IS TRUE, CASE WHEN {condition} THEN u.id END"
        " FROM {users} u WHERE false");
}

std::string attribute_check_sql(const Layout& layout, const Catalog& catalog,
                                const std::string& expression) {
    Template sql(layout, catalog);
    sql.set("expression", condition(expression));
    return sql.expand(
        "SELECT {expression}::{text}, CASE WHEN u.id IS NULL"
        " THEN {expression}::{text} END FROM {users} u WHERE false");
}

std::optional<SessionRow> read_session(Row row) {
    if (row.size() < first_attribute || !row[user_id] || !row[flags]) {
        return std::nullopt;
    }
    const auto read_at = number(row[now]);
    const auto inserted_at = number(row[inserted]);
    if (!read_at || !inserted_at) {
        return std::nullopt;
    }
    const auto age_ms = [&](double since) {
        return clamped(std::floor((*read_at - since) * 1000));
    };
    SessionRow session;
    if (!read_flags(*row[flags], row.size() - first_attribute, session)) {
        return std::nullopt;
    }
    session.user_id = *std::move(row[user_id]);
    session.email = std::move(row[email]).value_or("");
    session.age_ms = age_ms(*inserted_at);
    if (const auto authenticated_at = number(row[authenticated])) {
        session.authenticated_at = clamped(std::floor(*authenticated_at));
        session.authenticated_age_ms = age_ms(*authenticated_at);
    }
    if (const auto active_at = number(row[active])) {
        session.idle_ms = age_ms(*active_at);
    }
    row.erase(row.begin(), row.begin() + first_attribute);
    session.attributes = std::move(row);
    return session;
}

}  // namespace sigra::postgres
