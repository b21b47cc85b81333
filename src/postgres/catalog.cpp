#include "postgres/catalog.hpp"

#include <algorithm>
#include <array>

namespace sigra::postgres {
namespace {

using CatalogRow = std::vector<std::optional<std::string>>;
using Rows = std::span<const CatalogRow>;

constexpr std::string_view with_zone = "timestamp with time zone";

// The columns of catalog_sql(). Those from may_insert on describe the table,
// those before it one of its columns.
enum Field : std::size_t {
    side,  // "u" for the users table, "t" for the tokens table
    exists,
    column_name,
    column_type,
    has_default,
    not_null,
    equals,          // the type's equality operator
    equals_visible,  // it is found by the search_path
    indexed,         // an index begins with the column
    partly_indexed,  // a partial index begins with the column
    may_insert,
    may_update,
    row_security,  // is active for the role
    hidden,        // is active, and no policy lets the role read
    field_count
};

bool is_true(const std::optional<std::string>& field) {
    return field == "t";
}

// format_type() adds the schema if the search_path finds another type of that
// name first.
std::string_view plain_type(std::string_view type) {
    constexpr std::string_view prefix = "pg_catalog.";
    return type.starts_with(prefix) ? type.substr(prefix.size()) : type;
}

// The rows of catalog_sql() for one table.
class Table {
  public:
    Table(Rows rows, std::string_view of, const std::string& name,
          std::string& error)
        : name_(name), error_(error) {
        for (const CatalogRow& row : rows) {
            if (row.size() == field_count && row[side] == of &&
                is_true(row[exists])) {
                rows_.push_back(&row);
            }
        }
        if (rows_.empty()) {
            complain("relation \"" + name_ + "\" does not exist");
        }
    }

    [[nodiscard]] const CatalogRow* find(std::string_view column) const {
        const auto found = std::find_if(
            rows_.begin(), rows_.end(),
            [&](const auto* row) { return (*row)[column_name] == column; });
        return found == rows_.end() ? nullptr : *found;
    }
    [[nodiscard]] bool has(std::string_view column) const {
        return find(column) != nullptr;
    }
    [[nodiscard]] bool is(std::string_view column, Field field) const {
        const CatalogRow* row = find(column);
        return row && is_true((*row)[field]);
    }
    // For a field that describes the table.
    [[nodiscard]] bool is(Field field) const {
        return !rows_.empty() && is_true((*rows_.front())[field]);
    }
    // Returns the column's type; a missing column is an error.
    std::string need(const std::string& column) {
        const CatalogRow* row = find(column);
        if (row) {
            return (*row)[column_type].value_or("");
        }
        complain("column \"" + column + "\" of relation \"" + name_ +
                 "\" does not exist");
        return "";
    }
    void need_type(const std::string& column, std::string_view type) {
        const std::string found = need(column);
        if (!found.empty() && plain_type(found) != type) {
            complain("column \"" + column + "\" of relation \"" + name_ +
                     "\" is " + found + ", not " + std::string(type));
        }
    }
    [[nodiscard]] bool has_zone(std::string_view column) const {
        const CatalogRow* row = find(column);
        return row && (*row)[column_type] == with_zone;
    }
    // The operator that compares the column's values.
    [[nodiscard]] std::string equality(std::string_view column) const {
        const CatalogRow* row = find(column);
        return row && (*row)[equals] ? *(*row)[equals]
                                     : std::string(own_equals);
    }
    // The columns that an INSERT has to set.
    [[nodiscard]] std::vector<std::string> wanting() const {
        std::vector<std::string> names;
        for (const CatalogRow* row : rows_) {
            if (is_true((*row)[not_null]) && !is_true((*row)[has_default])) {
                names.push_back((*row)[column_name].value_or(""));
            }
        }
        return names;
    }
    [[nodiscard]] const std::string& name() const { return name_; }

    void complain(std::string message) {
        if (error_.empty()) {
            error_ = std::move(message);
        }
    }

  private:
    std::vector<const CatalogRow*> rows_;
    const std::string& name_;
    std::string& error_;
};

// True if the statements that insert a session set the column.
bool is_filled(const Layout& layout, const Catalog& catalog,
               std::string_view column) {
    if (column == "id") {
        return plain_type(catalog.token_id_type) == "uuid";
    }
    constexpr std::array in_sessions = {"hashed_token", "type",
                                        "last_active_at", "inserted_at"};
    constexpr std::array in_tokens = {"token", "context", "authenticated_at",
                                      "inserted_at"};
    const auto& filled =
        layout.kind == LayoutKind::sigra_sessions ? in_sessions : in_tokens;
    return column == layout.singular + "_id" ||
           std::find(filled.begin(), filled.end(), column) != filled.end();
}

void warn_of_rights(const Table& table, const std::string& consequence,
                    std::vector<std::string>& warnings) {
    if (table.is(hidden)) {
        warnings.push_back(
            "row-level security of relation \"" + table.name() +
            "\" has no policy that lets this role read: " + consequence);
    }
}

std::vector<std::string> warnings_of(const Layout& layout,
                                     const Catalog& catalog, const Table& users,
                                     const Table& tokens) {
    std::vector<std::string> warnings;
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    warn_of_rights(users, "nobody is logged in", warnings);
    warn_of_rights(tokens, "nobody is logged in", warnings);
    if (users.has("email") && !users.is("email", equals_visible)) {
        warnings.push_back(
            "the type of column \"email\" of relation \"" + users.name() +
            "\" is in a schema outside the search_path of this role:"
            " your conditions compare it as text, case-sensitively");
    }
    if (layout.sudo && !catalog.has_authenticated_at) {
        warnings.push_back(
            "auth_sigra_sudo needs the column \"" +
            std::string(sessions ? "sudo_at" : "authenticated_at") +
            "\" of relation \"" + tokens.name() +
            "\": without it no session is fresh enough");
    }
    if (!tokens.is(may_insert) || !layout.context.empty()) {
        return warnings;  // what follows matters for logins only
    }
    // Only the planner knows whether a partial index fits `where`.
    if (!users.is("email", indexed) &&
        (layout.where.empty() || !users.is("email", partly_indexed))) {
        warnings.push_back(
            "no index of relation \"" + users.name() + "\" finds an email" +
            (users.is("email", partly_indexed)
                 ? " unless \"where\" has the condition of the index"
                 : "") +
            ": each login reads the whole table");
    }
    for (const std::string& column : tokens.wanting()) {
        if (!is_filled(layout, catalog, column)) {
            warnings.push_back("column \"" + column + "\" of relation \"" +
                               tokens.name() +
                               "\" is NOT NULL without a default, and a login"
                               " does not fill it: logins fail");
        }
    }
    if (!tokens.is(may_update)) {
        warnings.push_back("this role may insert into relation \"" +
                           tokens.name() +
                           "\" but not update it: a session that takes a new"
                           " token needs GRANT UPDATE");
    }
    return warnings;
}

}  // namespace

std::string quoted_identifier(std::string_view identifier) {
    std::string quoted = "\"";
    for (const char c : identifier) {
        quoted.append(c == '"' ? 2 : 1, c);
    }
    return quoted + '"';
}

std::string quoted_name(std::string_view name) {
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) {
        return quoted_identifier(name);
    }
    return quoted_identifier(name.substr(0, dot)) + "." +
           quoted_identifier(name.substr(dot + 1));
}

// The equality operator is that of the type's default btree operator class. A
// domain uses that of its base type. A type without a class of its own, such
// as varchar, has none here; it is compared with pg_catalog's.
std::string_view catalog_sql() {
    return R"sql(
SELECT r.side, r.oid IS NOT NULL, a.attname::pg_catalog.text,
       pg_catalog.format_type(a.atttypid, -1),
       a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) '',
       a.attnotnull, e.name, coalesce(e.visible, true),
       i.whole, i.partial,
       pg_catalog.has_any_column_privilege(r.oid, 'INSERT'),
       pg_catalog.has_any_column_privilege(r.oid, 'UPDATE'),
       s.active,
       s.active AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_policy p
           WHERE p.polrelid OPERATOR(pg_catalog.=) r.oid AND p.polpermissive
             AND p.polcmd OPERATOR(pg_catalog.=) ANY ('{r,*}')
             AND EXISTS (
                 SELECT FROM pg_catalog.unnest(p.polroles) m (oid)
                 WHERE m.oid OPERATOR(pg_catalog.=) 0
                    OR pg_catalog.pg_has_role(m.oid, 'USAGE')))
FROM (VALUES ('u', pg_catalog.to_regclass($1)::pg_catalog.oid),
             ('t', pg_catalog.to_regclass($2)::pg_catalog.oid)) r (side, oid)
CROSS JOIN LATERAL pg_catalog.row_security_active(r.oid) s (active)
LEFT JOIN pg_catalog.pg_attribute a
    ON a.attrelid OPERATOR(pg_catalog.=) r.oid
   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type y
    ON y.oid OPERATOR(pg_catalog.=) a.atttypid
LEFT JOIN LATERAL (
    SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname),
           pg_catalog.pg_operator_is_visible(o.oid)
    FROM pg_catalog.pg_opclass c
    JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.opcmethod
    JOIN pg_catalog.pg_amop p
        ON p.amopfamily OPERATOR(pg_catalog.=) c.opcfamily
       AND p.amoplefttype OPERATOR(pg_catalog.=) c.opcintype
       AND p.amoprighttype OPERATOR(pg_catalog.=) c.opcintype
    JOIN pg_catalog.pg_operator o ON o.oid OPERATOR(pg_catalog.=) p.amopopr
    JOIN pg_catalog.pg_namespace n
        ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
    WHERE c.opcdefault AND m.amname OPERATOR(pg_catalog.=) 'btree'
      AND p.amopstrategy OPERATOR(pg_catalog.=) 3
      AND c.opcintype OPERATOR(pg_catalog.=)
          CASE WHEN y.typtype OPERATOR(pg_catalog.=) 'd'
               THEN y.typbasetype ELSE y.oid END
) e (name, visible) ON true
LEFT JOIN LATERAL (
    SELECT pg_catalog.bool_or(x.indpred IS NULL),
           pg_catalog.bool_or(x.indpred IS NOT NULL)
    FROM pg_catalog.pg_index x
    WHERE x.indrelid OPERATOR(pg_catalog.=) r.oid AND x.indisvalid
      AND x.indkey[0] OPERATOR(pg_catalog.=) a.attnum
) i (whole, partial) ON true)sql";
}

std::optional<Catalog> read_catalog(const Layout& layout, Rows rows,
                                    std::string& error) {
    error.clear();
    Table users(rows, "u", layout.users, error);
    Table tokens(rows, "t", layout.tokens, error);
    Catalog catalog;
    catalog.id_type = users.need("id");
    catalog.id_equals = users.equality("id");
    users.need("email");
    catalog.email_equals = users.equality("email");
    catalog.may_lock_users = users.is(may_update) && !users.is(row_security);
    catalog.has_lockout =
        users.has("failed_login_attempts") && users.has("locked_at");
    catalog.locked_at_has_zone = users.has_zone("locked_at");
    if (layout.lockout && !catalog.has_lockout) {
        users.complain(
            "a lockout needs the columns \"failed_login_attempts\""
            " and \"locked_at\" of relation \"" +
            layout.users + "\"");
    }
    catalog.token_id_type = tokens.need("id");
    catalog.token_id_has_default = tokens.is("id", has_default);
    catalog.token_id_equals = tokens.equality("id");
    tokens.need(layout.singular + "_id");
    tokens.need("inserted_at");
    catalog.inserted_at_has_zone = tokens.has_zone("inserted_at");
    if (layout.kind == LayoutKind::sigra_sessions) {
        tokens.need_type("hashed_token", "bytea");
        tokens.need("type");
        tokens.need("last_active_at");
        catalog.last_active_at_has_zone = tokens.has_zone("last_active_at");
        catalog.has_authenticated_at = tokens.has("sudo_at");
        catalog.sudo_at_has_zone = tokens.has_zone("sudo_at");
    } else {
        tokens.need_type("token", "bytea");
        tokens.need("context");
        if (!layout.context.empty()) {
            tokens.need("sent_to");
        }
        catalog.has_authenticated_at = tokens.has("authenticated_at");
        catalog.authenticated_at_has_zone = tokens.has_zone("authenticated_at");
    }
    if (!error.empty()) {
        return std::nullopt;
    }
    catalog.warnings = warnings_of(layout, catalog, users, tokens);
    return catalog;
}

}  // namespace sigra::postgres
