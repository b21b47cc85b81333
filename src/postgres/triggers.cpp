#include "postgres/triggers.hpp"

#include "postgres/statements.hpp"

namespace sigra::postgres {
namespace {

std::string hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::string_view schema_name(LayoutKind kind) {
    switch (kind) {
        case LayoutKind::sigra:
            return "sigra";
        case LayoutKind::phx_gen_auth:
            return "phx_gen_auth";
        case LayoutKind::sigra_sessions:
            return "sigra_sessions";
    }
    return "";
}

// Returns three parameters for each table: its name, the first arguments of its
// triggers in hex, and the context of API tokens or "". The arguments matter: a
// trigger for another channel or layout sends notifications that the module
// does not understand, and one for other contexts sends none.
std::vector<std::string> tables_of(const std::string& channel,
                                   const std::vector<Layout>& layouts) {
    const std::string end(1, '\0');
    std::vector<std::string> tables;
    const auto add = [&](const std::string& name, const std::string& arguments,
                         const std::string& context) {
        for (std::size_t i = 0; i < tables.size(); i += 3) {
            if (tables[i] == name && tables[i + 1] == arguments &&
                tables[i + 2] == context) {
                return;
            }
        }
        tables.insert(tables.end(), {name, arguments, context});
    };
    for (const Layout& layout : layouts) {
        const auto arguments = [&](std::string_view side) {
            std::string bytes = channel;
            bytes.append(end).append(side).append(end);
            return hex(bytes);
        };
        add(quoted_name(layout.users), arguments("users"), "");
        // The table of API tokens may be that of the sessions of any layout.
        add(quoted_name(layout.tokens),
            layout.context.empty() ? arguments(schema_name(layout.kind))
                                   : hex(channel + end),
            layout.context);
    }
    return tables;
}

// Partitions and child tables need their own triggers, because a statement may
// name them directly. Bits of tgtype: 1 FOR EACH ROW, 8 DELETE, 16 UPDATE, 32
// TRUNCATE. Statement triggers must be ENABLE ALWAYS, to fire whatever
// session_replication_role is. Row triggers are for changes that a logical
// replication subscription applies. In tgargs, contexts follow the list of
// columns, which ends with `}`.
std::string look_sql(std::size_t parameters) {
    std::string values =
        "(NULL::pg_catalog.text, NULL::pg_catalog.text, NULL::pg_catalog.text)";
    for (std::size_t i = 1; i < parameters; i += 3) {
        values += ", ($" + std::to_string(i) + ", $" + std::to_string(i + 1) +
                  ", $" + std::to_string(i + 2) + ")";
    }
    // pg_stat_activity shows no more than the beginning of a long query.
    return "/* auth_sigra looks for its triggers in pg_trigger */"
           " WITH RECURSIVE tree (relation, name, arguments, context) AS ("
           "SELECT pg_catalog.to_regclass(n.name)::pg_catalog.oid, n.name,"
           " n.arguments, n.context FROM (VALUES " +
           values +
           R"sql() n (name, arguments, context) WHERE n.name IS NOT NULL
    UNION
    SELECT i.inhrelid, i.inhrelid::pg_catalog.regclass::pg_catalog.text,
           t.arguments, t.context
    FROM tree t
    JOIN pg_catalog.pg_inherits i
        ON i.inhparent OPERATOR(pg_catalog.=) t.relation
)
SELECT pg_catalog.pg_backend_pid(),
       pg_catalog.string_agg(DISTINCT pg_catalog.concat(t.name,
           CASE WHEN t.context OPERATOR(pg_catalog.<>) ''
                THEN pg_catalog.concat(' (context ', t.context, ')')
           END), ', '),
       (SELECT pg_catalog.string_agg(relation::pg_catalog.text, ' '
                                     ORDER BY relation) FROM tree)
FROM tree t
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relation
CROSS JOIN LATERAL (
    SELECT pg_catalog.bit_or(CASE
               WHEN g.tgenabled OPERATOR(pg_catalog.=) 'A'
                AND (g.tgtype OPERATOR(pg_catalog.&) 1::smallint)
                    OPERATOR(pg_catalog.=) 0 THEN g.tgtype
           END),
           pg_catalog.bit_or(CASE
               WHEN g.tgenabled OPERATOR(pg_catalog.=) ANY ('{A,R}')
                AND (g.tgtype OPERATOR(pg_catalog.&) 1::smallint)
                    OPERATOR(pg_catalog.=) 1 THEN g.tgtype
           END)
    FROM pg_catalog.pg_trigger g
    WHERE g.tgrelid OPERATOR(pg_catalog.=) t.relation
      AND pg_catalog.starts_with(g.tgname::pg_catalog.text,
                                 'auth_sigra_revoke_')
      AND pg_catalog.starts_with(pg_catalog.encode(g.tgargs, 'hex'),
                                 t.arguments)
      AND (t.context OPERATOR(pg_catalog.=) ''
           OR pg_catalog."position"(
                  pg_catalog.substr(g.tgargs, pg_catalog."position"(
                      g.tgargs, pg_catalog.decode('7d00', 'hex'))
                      OPERATOR(pg_catalog.+) 1),
                  pg_catalog.decode('00', 'hex')
                      OPERATOR(pg_catalog.||)
                      pg_catalog.convert_to(t.context, 'UTF8')
                      OPERATOR(pg_catalog.||)
                      pg_catalog.decode('00', 'hex'))
              OPERATOR(pg_catalog.>) 0)
) has (of_statements, of_rows)
WHERE coalesce(has.of_statements OPERATOR(pg_catalog.&) 56::smallint,
               0::smallint) OPERATOR(pg_catalog.<>) 56
   OR (c.relkind OPERATOR(pg_catalog.=) 'r'
       AND coalesce(has.of_rows OPERATOR(pg_catalog.&) 24::smallint,
                    0::smallint) OPERATOR(pg_catalog.<>) 24))sql";
}

}  // namespace

TriggerLook look_for_triggers(const std::string& channel,
                              const std::vector<Layout>& layouts) {
    TriggerLook look;
    look.parameters = tables_of(channel, layouts);
    look.sql = look_sql(look.parameters.size());
    return look;
}

}  // namespace sigra::postgres
