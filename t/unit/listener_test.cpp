// Which revocations a listener receives, and when its channel is up.
#include "bench.hpp"
#include "observed.hpp"
#include "unit.hpp"

namespace {

using namespace sigra::postgres;
using namespace sigra::test;
using sigra::unit::check;

const std::string database = "sigra_listener";
const std::string channel = "auth_sigra_revoked";
const std::string hash(64, 'a');

Layout layout_of(LayoutKind kind) {
    Layout layout;
    layout.kind = kind;
    if (kind == LayoutKind::sigra_sessions) {
        layout.tokens = "user_sessions";
    }
    return layout;
}

ListenerOptions options(LayoutKind kind = LayoutKind::sigra) {
    ListenerOptions options;
    options.conninfo = conninfo(database);
    options.channel = channel;
    options.layouts = {layout_of(kind)};
    options.max_reconnect_delay = Milliseconds(200);
    return options;
}

void make_tables(const std::string& schema = "sigra", bool triggers = true) {
    fresh_database(database);
    load_schema(database, schema);
    if (triggers) {
        load_revocation(database, "-v schema=" + schema);
    }
    Session session(database);
    add_sessions(session, 10, schema == "sigra_sessions");
}

void notify(Session& session, const std::string& payload) {
    session.run("SELECT pg_notify('" + channel + "', '" + payload + "')");
}

std::vector<std::string> with(std::vector<std::string> all,
                              const std::string& last) {
    all.push_back(last);
    return all;
}

void each_layout(void**) {
    constexpr std::pair<const char*, LayoutKind> layouts[] = {
        {"sigra", LayoutKind::sigra},
        {"phx_gen_auth", LayoutKind::phx_gen_auth},
        {"sigra_sessions", LayoutKind::sigra_sessions},
    };
    for (const auto& each : layouts) {
        const std::string schema = each.first;
        const LayoutKind kind = each.second;
        make_tables(schema);
        PollReactor reactor;
        Observed observed(reactor, options(kind));
        check(!observed.listener->up());
        check(observed.says({"up"}), schema);
        check(observed.listener->up());
        const bool in_sessions = kind == LayoutKind::sigra_sessions;
        const std::string tokens =
            in_sessions ? "user_sessions" : "users_tokens";
        const std::string column = in_sessions ? "hashed_token" : "token";
        Session session(database);
        const auto hash_of = [&](int number) {
            return session.value(
                "SELECT encode(" +
                std::string(kind == LayoutKind::phx_gen_auth ? "sha256" : "") +
                "(" + token_sql(number) + "::bytea), 'hex')");
        };
        const auto says = [&](const std::string& sql,
                              const std::vector<std::string>& expected) {
            session.run(sql);
            // No other notification comes before the marker.
            notify(session, "user:marker");
            check(observed.says(with(expected, "user:marker")),
                  schema + ": " + sql);
        };
        const std::string at = " WHERE " + column + " = ";
        says("DELETE FROM " + tokens + at + token_sql(1), {hash_of(1)});
        says("UPDATE " + tokens + " SET inserted_at = '2001-01-01'" + at +
                 token_sql(2),
             {hash_of(2)});
        if (in_sessions) {
            says("UPDATE user_sessions SET last_active_at = now()", {});
        }
        if (kind != LayoutKind::phx_gen_auth) {
            says("UPDATE users SET failed_login_attempts = 3", {});
        }
        const std::string user = session.value(
            "SELECT 'user:' || id FROM users WHERE email = '3@example.com'");
        says(
            "UPDATE users SET hashed_password = 'y' WHERE email = "
            "'3@example.com'",
            {user});
        says("DELETE FROM users WHERE email = '3@example.com'",
             {user, hash_of(3)});
        session.run("INSERT INTO " + tokens + " (user_id, " + column +
                    ", inserted_at, " +
                    (in_sessions ? "last_active_at" : "context") +
                    ") SELECT min(u.id), sha256(i::text::bytea), now(), " +
                    (in_sessions ? "now()" : "'session'") +
                    " FROM users u, generate_series(1, 100000) i GROUP BY i");
        says("DELETE FROM " + tokens, {"*"});
        says("TRUNCATE " + tokens, {"*"});
        check(!reactor.kept_alive());
        check(reactor.count_logged(LogLevel::error, "") == 0);
        check(reactor.count_logged(LogLevel::warn, "") == 0);
    }
}

void without_triggers(void**) {
    make_tables("sigra", false);
    PollReactor reactor;
    Observed observed(reactor, options());
    const auto warned = [&] {
        return reactor.count_logged(LogLevel::warn, "examples/revocation.sql");
    };
    check(reactor.run_until([&] { return warned() == 1; }));
    check(!observed.listener->up());
    check(reactor.logged("on \"users\", \"users_tokens\""));
    // The triggers are looked for again, but the warning is logged once.
    for (int i = 0; i < 3; i++) {
        reactor.advance(Milliseconds(2000));
        reactor.run_until([] { return false; }, Milliseconds(50));
    }
    check(warned() == 1);
    check(observed.said.empty());
    load_revocation(database);
    reactor.advance(Milliseconds(2000));
    check(observed.says({"up"}));
    check(reactor.logged("triggers for revocation found"));

    // A trigger that is dropped while the channel is up.
    Session session(database);
    for (const char* sql :
         {"ALTER TABLE users_tokens DISABLE TRIGGER auth_sigra_revoke_update",
          "ALTER TABLE users_tokens ENABLE REPLICA TRIGGER"
          " auth_sigra_revoke_update",
          "ALTER TABLE users_tokens ENABLE TRIGGER auth_sigra_revoke_update",
          "DROP TRIGGER auth_sigra_revoke_replica ON users",
          "CREATE TABLE child () INHERITS (users_tokens)",
          "DROP TRIGGER auth_sigra_revoke_truncate ON users",
          "DROP TRIGGER auth_sigra_revoke_delete ON users"}) {
        session.run(sql);
        reactor.advance(Milliseconds(2000));
        check(observed.says({"down"}), sql);
        check(!observed.listener->up());
        load_revocation(database);
        reactor.advance(Milliseconds(2000));
        check(observed.says({"up"}), sql);
    }
    session.run(
        "ALTER TABLE users ENABLE ALWAYS TRIGGER"
        " auth_sigra_revoke_update");
    session.run("DROP TABLE child, users_tokens");
    reactor.advance(Milliseconds(2000));
    check(observed.says({"down"}));
    check(reactor.logged("on \"users_tokens\""));
}

// Rows appear and disappear with a table, without a trigger.
void a_partition_that_is_detached(void**) {
    make_tables("sigra", false);
    Session session(database);
    session.run(
        "ALTER TABLE users_tokens RENAME TO part;"
        "CREATE TABLE users_tokens (LIKE part INCLUDING DEFAULTS)"
        " PARTITION BY LIST (context);"
        "ALTER TABLE users_tokens ATTACH PARTITION part DEFAULT");
    load_revocation(database);
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    reactor.advance(Milliseconds(2000));
    reactor.run_until([] { return false; }, Milliseconds(50));
    check(observed.said.empty(), "as it was");
    session.run("ALTER TABLE users_tokens DETACH PARTITION part");
    reactor.advance(Milliseconds(2000));
    check(observed.says({"*"}));
    session.run("ALTER TABLE users_tokens ATTACH PARTITION part DEFAULT");
    reactor.advance(Milliseconds(2000));
    check(observed.says({"*"}));
}

// They notify, but not what the listener understands.
void triggers_of_another(void**) {
    make_tables("sigra", false);
    for (const char* other :
         {"-v channel=other", "-v schema=phx_gen_auth", "-v channel=AUTH"}) {
        load_revocation(database, other);
        PollReactor reactor;
        const Observed observed(reactor, options());
        check(reactor.run_until(
                  [&] { return reactor.logged("examples/revocation.sql"); }),
              other);
        check(!observed.listener->up());
    }
    load_revocation(database);
    PollReactor reactor;
    ListenerOptions both = options();
    both.layouts.push_back(layout_of(LayoutKind::phx_gen_auth));
    both.layouts.back().tokens = "keys";
    const Observed observed(reactor, both);
    check(reactor.run_until([&] { return reactor.logged("on \"keys\":"); }));
}

void what_others_say_on_the_channel(void**) {
    make_tables();
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    Session session(database);
    const std::string odd[] = {"",
                               "**",
                               "user:",
                               "User:1",
                               "x",
                               std::string(63, 'a'),
                               std::string(65, 'a'),
                               std::string(64, 'A'),
                               std::string(63, 'a') + "g",
                               std::string(62, 'a') + "é",
                               std::string(7999, 'a')};
    for (const std::string& payload : odd) {
        notify(session, payload);
    }
    session.run("NOTIFY another, '*'");
    notify(session, hash);
    notify(session, "user:" + std::string(7000, '7'));
    notify(session, "*");
    check(observed.says({hash, "user:" + std::string(7000, '7'), "*"}));
    check(reactor.count_logged(LogLevel::debug, "unknown payload") ==
          std::size(odd));
    check(observed.listener->up());
}

void in_the_order_of_the_commits(void**) {
    make_tables();
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    Session session(database);
    std::vector<std::string> expected;
    for (int i = 0; i < 5000; i++) {
        notify(session, "user:" + std::to_string(i));
        expected.push_back("user:" + std::to_string(i));
    }
    check(reactor.run_until([&] { return observed.said.size() == 5000; }));
    check(observed.said == expected);
}

// Data may be buffered in OpenSSL while the socket is not readable.
void over_tls(void**) {
    make_tables();
    PollReactor reactor;
    ListenerOptions tls = options();
    tls.conninfo = tcp_conninfo(database) +
                   " sslmode=verify-full sslrootcert=" + server_folder() +
                   "/ca.crt host=localhost";
    Observed observed(reactor, tls);
    check(observed.says({"up"}));
    Session session(database);
    for (int round = 0; round < 20; round++) {
        session.run("SELECT pg_notify('" + channel +
                    "', 'user:' || repeat('7', 500) || i)"
                    " FROM generate_series(1, 500) i");
        check(reactor.run_until([&] { return observed.said.size() == 500; },
                                Milliseconds(10000)));
        observed.said.clear();
    }
}

// No revocation that is committed after the LISTEN is missed.
void while_it_comes_up(void**) {
    make_tables();
    Session session(database);
    for (int i = 0; i < 20; i++) {
        PollReactor reactor;
        Observed observed(reactor, options());
        int sent = 0;
        while (!observed.listener->up()) {
            reactor.turn(Milliseconds(1));
            notify(session, "user:" + std::to_string(sent++));
        }
        notify(session, "user:" + std::to_string(sent));
        check(reactor.run_until([&] {
            return observed.said.back() == "user:" + std::to_string(sent);
        }));
        // No notification in the middle is missing.
        int next = -1;
        for (const std::string& what : observed.said) {
            if (what != "up") {
                const int number = std::stoi(what.substr(5));
                check(next < 0 || number == next);
                next = number + 1;
            }
        }
    }
}

void two_listeners(void**) {
    make_tables();
    PollReactor reactor;
    Observed one(reactor, options());
    Observed two(reactor, options());
    check(one.says({"up"}));
    check(two.says({"up"}));
    Session session(database);
    notify(session, hash);
    check(one.says({hash}));
    check(two.says({hash}));
    one.listener.reset();
    notify(session, "*");
    check(two.says({"*"}));
    check(one.said.empty());
}

void a_channel_that_needs_quotes(void**) {
    const std::string odd = "Log \"me\"; NOTIFY é";
    make_tables("sigra", false);
    load_revocation(database, "-v 'channel=" + odd + "'");
    PollReactor reactor;
    ListenerOptions quoted = options();
    quoted.channel = odd;
    Observed observed(reactor, quoted);
    check(observed.says({"up"}));
    Session(database).run("TRUNCATE users_tokens");
    check(observed.says({"*"}));
}

void destroyed_in_its_own_call(void**) {
    make_tables();
    Session session(database);
    for (const std::string& last :
         {std::string("up"), std::string("down"), hash, std::string("user:1"),
          std::string("*")}) {
        PollReactor reactor;
        Observed observed(reactor, options());
        observed.then = [&](const std::string& what) {
            if (what == last) {
                observed.listener.reset();
            }
        };
        if (last != "up") {
            check(observed.says({"up"}));
            session.run("SELECT pg_notify('" + channel +
                        "', p) FROM unnest('{" + hash +
                        ",user:1,*}'::text[]) p");
        }
        if (last == "down") {
            session.terminate();
        }
        check(reactor.run_until([&] { return !observed.listener; }), last);
        check(observed.said.back() == last);
        reactor.turn();
        check(reactor.watched() == 0);
    }
    // From a timer, because the server does not answer.
    PollReactor reactor;
    Observed observed(reactor, options());
    check(observed.says({"up"}));
    observed.then = [&](const std::string&) { observed.listener.reset(); };
    private_postgres("freeze");
    reactor.advance(Milliseconds(2000));
    reactor.turn();
    reactor.advance(Milliseconds(2000));
    const bool gone = reactor.run_until([&] { return !observed.listener; });
    private_postgres("thaw");
    check(gone);
}

void destroyed_at_any_moment(void**) {
    make_tables();
    for (int turns = 0;; turns++) {
        PollReactor reactor;
        Observed observed(reactor, options());
        for (int i = 0; i < turns; i++) {
            reactor.turn(Milliseconds(20));
        }
        if (observed.listener->up()) {
            check(turns > 3);
            break;
        }
        observed.listener.reset();
        reactor.turn();
        check(observed.said.empty() && reactor.watched() == 0);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(each_layout),
        cmocka_unit_test(without_triggers),
        cmocka_unit_test(a_partition_that_is_detached),
        cmocka_unit_test(triggers_of_another),
        cmocka_unit_test(what_others_say_on_the_channel),
        cmocka_unit_test(in_the_order_of_the_commits),
        cmocka_unit_test(over_tls),
        cmocka_unit_test(while_it_comes_up),
        cmocka_unit_test(two_listeners),
        cmocka_unit_test(a_channel_that_needs_quotes),
        cmocka_unit_test(destroyed_in_its_own_call),
        cmocka_unit_test(destroyed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
