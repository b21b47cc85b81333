#include "postgres/parts.hpp"

namespace sigra::postgres {

void define_ttl(Template& sql, const Catalog& catalog,
                std::string_view standard, std::string_view remember_me) {
    sql.set("standard", std::string(standard));
    sql.set("remember_me", std::string(remember_me));
    sql.define("ttl",
               "(CASE WHEN {type} {=} 'remember_me' THEN"
               " {remember_me}::integer ELSE {standard}::integer END)");
    sql.define("grace", "pg_catalog.make_interval(secs => {ttl} {-} 60)");
    sql.set("clock", catalog.inserted_at_has_zone
                         ? "pg_catalog.clock_timestamp()"
                         : "(pg_catalog.clock_timestamp() AT TIME ZONE 'utc')");
    sql.define("last_minute",
               "(t.inserted_at {<=} ({clock} {-} {grace}) AND t.inserted_at"
               " {>} ({clock} {-} pg_catalog.make_interval(secs => {ttl})))");
}

void define_kin(Template& sql) {
    sql.define("named_columns",
               "t.id, t.user_id, t.type, t.inserted_at, {grace} AS grace");
    sql.define("kin",
               "SELECT n.id FROM named n UNION SELECT t.id FROM named n"
               " JOIN {sessions} t ON t.user_id {id=} n.user_id"
               " AND (({grace} {>} interval '0'"
               " AND t.inserted_at {=} (n.inserted_at {-} {grace}))"
               " OR (n.grace {>} interval '0'"
               " AND t.inserted_at {=} (n.inserted_at {+} n.grace)))");
}

void define_gone(Template& sql) {
    sql.define("gone",
               "gone AS (DELETE FROM {tokens} t USING doomed d"
               " WHERE t.id {key=} d.id RETURNING t.id, {hash} AS hash)");
}

void define_notified(Template& sql, const Layout& layout,
                     std::string_view source) {
    if (layout.channel.empty()) {
        sql.set("notified", "");
        sql.set("heard", "");
        return;
    }
    sql.define("source", source);
    sql.set("channel", quoted_literal(layout.channel));
    sql.define("notified",
               ", notified AS (SELECT pg_catalog.pg_notify({channel},"
               " n.payload) FROM (SELECT DISTINCT CASE WHEN"
               " pg_catalog.count(*) OVER () {>} 1000 THEN '*'"
               " ELSE s.hash END AS payload FROM {source} s) n)");
    sql.define("heard",
               " WHERE (SELECT pg_catalog.count(*) FROM notified) {>=} 0");
}

}  // namespace sigra::postgres
