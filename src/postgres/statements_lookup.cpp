// The lookup: the user of a session's token, and the facts about the user that
// any location needs. One statement serves all locations.
#include <endian.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "postgres/template.hpp"

namespace sigra::postgres {
namespace {

using Row = std::vector<std::optional<std::string>>;

// The columns of a lookup; the layout's attributes follow. In binary format
// (has_binary_rows()) the times are float8. All other columns are text, whose
// binary format is the same.
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

// A column costs more than its contents, so all flags share one. It begins with
// "t" or "f": whether the row is of type remember_me; "f" may be left out
// before a number. If all facts were evaluated, a number follows: a bit for
// each condition that holds, and above them a bit that is always set and shows
// how many conditions there are. Otherwise three numbers follow, separated by
// spaces: the conditions that hold, those evaluated, the attributes evaluated.

std::string bigint(std::uint64_t bits) {
    return quoted_literal(bits_parameter(bits)) + "::pg_catalog.int8";
}

// Returns SQL: CASE WHEN the bit is set THEN value ELSE otherwise END. A fact
// that is not asked for is not evaluated, so it cannot raise an error.
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

// Whether all facts are evaluated, or those in a mask. The mask makes a lookup
// a fifth more expensive. It is used only to find the fact that fails for a
// row.
enum class Asked { all, some };

bool are_known(const std::vector<std::string>& facts) {
    return std::find(facts.begin(), facts.end(), "") == facts.end();
}

// True if all configured facts are evaluated and a bit is free to show how many
// conditions there are.
bool says_how_many(const Layout& layout, Asked asked) {
    return asked == Asked::all && layout.conditions.size() < max_conditions &&
           are_known(layout.conditions) && are_known(layout.attributes);
}

// `always`: bits that are set whatever the conditions yield.
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
        sessions ? "CASE WHEN t.type {=} 'remember_me' THEN 't' ELSE 'f' END"
                 : "'f'::{text}";
    if (!layout.has_facts()) {
        return remember_me;
    }
    if (says_how_many(layout, asked)) {
        return sessions ? "pg_catalog.concat(" + std::string(remember_me) +
                              ", u.met)"
                        : "u.met::{text}";
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

// LATERAL: if a condition calls a volatile function, the planner does not pull
// the subquery up, and without LATERAL would evaluate it for every user.
// OFFSET 0, if there is a `where`: with small tables the planner might scan the
// users first, so that an error for any user would fail the lookups of all. It
// costs nothing, because the plan has no node for it.
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

// Runs the lookup for each token of an array. The subselect hides the length of
// the array from the planner, which would otherwise make a new plan for short
// ones. OFFSET 0 makes it look up each token by the index, even if the tables
// were small when the plan was made.
constexpr std::string_view together =
    "SELECT one.*, asked.number FROM pg_catalog.unnest("
    "(SELECT $1::{bytea}[])) WITH ORDINALITY asked (token, number)"
    " CROSS JOIN LATERAL ({one} OFFSET 0) one";

std::optional<double> number(const std::optional<std::string>& field) {
    const auto bits = field ? binary_number(*field) : std::nullopt;
    if (!bits || std::isnan(std::bit_cast<double>(*bits))) {
        return std::nullopt;
    }
    return std::bit_cast<double>(*bits);
}

// Reads a number from the front of a text and removes it.
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

// A timestamp may be infinite. The bound leaves room for later arithmetic.
std::int64_t clamped(double value) {
    constexpr auto bound = static_cast<double>(max_time);
    return static_cast<std::int64_t>(std::clamp(value, -bound, bound));
}

// Returns false if the text is not one that flags_column() produces.
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
        // The bit that is always set is missing.
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

// PostgreSQL's bigint is signed.
std::string bits_parameter(std::uint64_t bits) {
    return std::to_string(static_cast<std::int64_t>(bits));
}

namespace {

// Where the token comes from: a parameter, or an element of an array.
enum class Token { parameter, element };

// Checks that `where` is a single expression on the users row. A text with
// unbalanced brackets, "a) OR (b", would cancel the condition beside it, that
// the user is the session's own. Inside square brackets it is a syntax error.
// The lookup is prepared before any other statement of the layout, so none is
// used then. PostgreSQL parses a WITH query that nothing refers to, but does
// not execute it.
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
    // An API token is valid only for the email that it was issued to: after a
    // change of email, the old address may belong to somebody else.
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

// Uses the condition as lookups do: beside another column, and inside CASE. An
// aggregate or a set-returning function would be valid alone, but not there.
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

std::optional<std::uint64_t> binary_number(std::string_view field) {
    std::uint64_t bits = 0;
    if (field.size() != sizeof(bits)) {
        return std::nullopt;
    }
    std::memcpy(&bits, field.data(), sizeof(bits));
    return be64toh(bits);
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
