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

// Name, arguments, name, arguments. A trigger that was made for another
// channel or layout would notify what nobody understands.
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
        std::string arguments = channel + end;
        add(quoted_name(layout.users), hex(arguments));
        arguments += schema_name(layout.kind);
        arguments += end;
        add(quoted_name(layout.tokens), hex(arguments));
    }
    return tables;
}

// 56: DELETE, UPDATE and TRUNCATE in tgtype.
std::string look_sql(std::size_t parameters) {
    std::string values = "(NULL::text, NULL::text)";
    for (std::size_t i = 1; i < parameters; i += 2) {
        values +=
            ", ($" + std::to_string(i) + ", $" + std::to_string(i + 1) + ")";
    }
    return "SELECT pg_backend_pid(), string_agg(n.name, ', ') FROM (VALUES " +
           values +
           ") n(name, arguments) WHERE n.name IS NOT NULL AND 56 <> coalesce("
           "(SELECT bit_or(g.tgtype & 56) FROM pg_catalog.pg_trigger g"
           " WHERE g.tgrelid = to_regclass(n.name)"
           " AND left(g.tgname::text, 18) = 'auth_sigra_revoke_'"
           " AND g.tgenabled IN ('O', 'A')"
           " AND encode(g.tgargs, 'hex') = n.arguments), 0)";
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
