#include "postgres/template.hpp"

#include <utility>

namespace sigra::postgres {

std::string epoch(std::string_view expression) {
    return "pg_catalog.date_part('epoch', " + std::string(expression) + ")";
}

std::string now_as(bool has_zone) {
    return has_zone ? "pg_catalog.statement_timestamp()"
                    : "(pg_catalog.statement_timestamp() AT TIME ZONE 'utc')";
}

std::string condition(const std::string& sql) {
    return "(" + sql + "\n)";
}

std::string quoted_literal(std::string_view text) {
    std::string quoted;
    bool escapes = false;
    for (const char c : text) {
        escapes = escapes || c == '\\';
        quoted.append(c == '\'' || c == '\\' ? 2 : 1, c);
    }
    return (escapes ? " E'" : "'") + quoted + "'";
}

Template::Template(const Layout& layout, const Catalog& catalog) {
    const bool sessions = layout.kind == LayoutKind::sigra_sessions;
    const bool raw = layout.kind == LayoutKind::phx_gen_auth;
    for (const char* const name : {"=", "<", "<=", ">", ">=", "+", "-"}) {
        set(name, "OPERATOR(pg_catalog." + std::string(name) + ")");
    }
    set("id=", catalog.id_equals);
    set("key=", catalog.token_id_equals);
    set("email=", catalog.email_equals);
    set("text", "pg_catalog.text");
    set("bytea", "pg_catalog.bytea");
    set("users", quoted_name(layout.users));
    set("tokens", quoted_name(layout.tokens));
    set("user", quoted_identifier(layout.singular + "_id"));
    set("id", catalog.id_type);
    set("token", sessions ? "hashed_token" : "token");
    define("type", sessions ? "t.type::{text}" : "'standard'::{text}");
    set("authenticated", !catalog.has_authenticated_at ? "NULL::timestamp"
                         : sessions                    ? "t.sudo_at"
                                                       : "t.authenticated_at");
    define("hash",
           raw ? "pg_catalog.encode(pg_catalog.sha256(t.{token}), 'hex')"
               : "pg_catalog.encode(t.{token}, 'hex')");
    set("context", quoted_literal(layout.context));
    define("live", sessions                 ? "true"
                   : layout.context.empty() ? "t.context {=} 'session'"
                                            : "t.context {=} {context}");
    define("logged_in", sessions ? " AND (t.type {=} 'standard'"
                                   " OR t.type {=} 'remember_me')"
                                 : "");
    set("carried",
        sessions ? ", t.ip, t.user_agent, t.last_active_at" : ", t.sent_to");
    define("sessions",
           "(SELECT t.id, t.{user} AS user_id, t.{token} AS token,"
           " {type} AS type, t.inserted_at, {authenticated} AS"
           " authenticated_at{carried} FROM {tokens} t WHERE {live})");
    set("now", "pg_catalog.date_trunc('second', " +
                   now_as(catalog.inserted_at_has_zone) + ")");
}

void Template::set(const std::string& name, std::string value) {
    values_[name] = std::move(value);
}

void Template::define(const std::string& name, std::string_view text) {
    set(name, expand(text));
}

// Expands once: braces in the value of a name are not expanded.
std::string Template::expand(std::string_view text) const {
    std::string sql;
    while (true) {
        const std::size_t open = text.find('{');
        sql += text.substr(0, open);
        if (open == std::string_view::npos) {
            return sql;
        }
        const std::size_t close = text.find('}', open);
        const auto value =
            values_.find(text.substr(open + 1, close - open - 1));
        if (value != values_.end()) {
            sql += value->second;
        }
        text.remove_prefix(close + 1);
    }
}

}  // namespace sigra::postgres
