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

// Name, first arguments, name, first arguments. A trigger that was made for
// another channel or layout would notify what nobody understands.
std::vector<std::string> tables_of(const std::string& channel,
                                   const std::vector<Layout>& layouts) {
    const std::string end(1, '\0');
    std::vector<std::string> tables;
    const auto add = [&](const std::string& name,
                         const std::string& arguments) {
        for (std::size_t i = 0; i < tables.size(); i += 2) {
            if (tables[i] == name && tables[i + 1] == arguments) {
                return;
            }
        }
        tables.push_back(name);
        tables.push_back(arguments);
    };
    for (const Layout& layout : layouts) {
        const auto arguments = [&](std::string_view side) {
            std::string bytes = channel;
            bytes.append(end).append(side).append(end);
            return hex(bytes);
        };
        add(quoted_name(layout.users), arguments("users"));
        add(quoted_name(layout.tokens), arguments(schema_name(layout.kind)));
    }
    return tables;
}

// Each table that belongs to a named one by inheritance or partition has its
// own triggers: a statement may name it. In tgtype 1 says FOR EACH ROW, 8
// DELETE, 16 UPDATE, 32 TRUNCATE. Those of statements fire whatever the
// session's replication role is, and what a subscription applies fires those
// of rows.
std::string look_sql(std::size_t parameters) {
    std::string values = "(NULL::pg_catalog.text, NULL::pg_catalog.text)";
    for (std::size_t i = 1; i < parameters; i += 2) {
        values +=
            ", ($" + std::to_string(i) + ", $" + std::to_string(i + 1) + ")";
    }
    // pg_stat_activity shows no more than the beginning of a long query.
    return "/* auth_sigra looks for its triggers in pg_trigger */"
           " WITH RECURSIVE tree (relation, name, arguments) AS ("
           "SELECT pg_catalog.to_regclass(n.name)::pg_catalog.oid, n.name,"
           " n.arguments FROM (VALUES " +
           values +
           R"sql() n (name, arguments) WHERE n.name IS NOT NULL
    UNION
    SELECT i.inhrelid, i.inhrelid::pg_catalog.regclass::pg_catalog.text,
           t.arguments
    FROM tree t
    JOIN pg_catalog.pg_inherits i
        ON i.inhparent OPERATOR(pg_catalog.=) t.relation
)
SELECT pg_catalog.pg_backend_pid(),
       pg_catalog.string_agg(DISTINCT t.name, ', '),
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
