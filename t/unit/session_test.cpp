#include "phoenix/session.hpp"

#include <algorithm>
#include <random>

#include "phoenix/encoding.hpp"
#include "phoenix/term.hpp"
#include "terms.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using namespace sigra::unit::terms;

namespace {

const SessionKeys keys("user", "users");
const std::string raw_token = bytes("0123456789abcdef\0\xff\n;,= 89abcdef0");

std::string payload(const std::vector<std::string>& pairs) {
    return tagged(131, map(pairs));
}

Session decoded(const std::vector<std::string>& pairs) {
    auto session = Session::decode(payload(pairs));
    check(session.has_value());
    return *session;
}

void the_keys_follow_the_schema(void**) {
    const SessionKeys admin("admin", "admins");
    check_bytes(admin.token, "admin_token");
    check_bytes(admin.return_to, "admin_return_to");
    check_bytes(admin.remember_me, "admin_remember_me");
    check_bytes(admin.topic, "admins_sessions:");
}

void refuses_what_is_no_map(void**) {
    const std::string refused[] = {
        "",
        "\x83",
        map({}),
        tagged(131, nil),
        tagged(131, list({tuple({bin("a"), bin("b")})})),
        tagged(131, bin("user_token")),
        payload({}) + "x",
        payload({bin("a"), nil, bin("a"), nil}),
        bytes("\x83P\0\0\0\x05x\x9c\x2b\x61\x60\x60\0\0\0\0"),
    };
    for (const auto& text : refused)
        check(!Session::decode(text), text);
}

void keeps_what_it_does_not_know(void**) {
    const std::vector<std::string> pairs{
        atom(100, "old_atom"), atom(100, "nil"),  bin("user_token"),
        bin(raw_token),        small(1),          list({small(1), str("x")}),
        bin("count"),          big("\1\2\3\4\5"), tuple({bin("a")}),
        map({real(1.5), nil}),
    };
    auto session = decoded(pairs);
    check_bytes(session.encode(), payload(pairs));

    session.put("user_token", "new");
    session.put("added", "last");
    auto expected = pairs;
    expected[3] = bin("new");
    expected.push_back(bin("added"));
    expected.push_back(bin("last"));
    check_bytes(session.encode(), payload(expected));

    session.erase("user_token");
    expected.erase(expected.begin() + 2, expected.begin() + 4);
    check_bytes(session.encode(), payload(expected));
}

// An atom or a charlist with the same text is a different key.
void a_key_is_a_binary(void**) {
    auto session = decoded({atom(119, "user_token"), bin("atom"),
                            str("user_token"), bin("charlist")});
    check(!session.binary("user_token"));
    check(!session.truthy("user_token"));
    session.erase("user_token");
    session.put("user_token", "mine");
    check_bytes(session.binary("user_token"), "mine");
    assert_int_equal(term::as_map(session.encode().substr(1))->size(), 3);
}

void says_what_is_true(void**) {
    const auto session = decoded({
        bin("nil100"),
        atom(100, "nil"),
        bin("nil119"),
        atom(119, "nil"),
        bin("false115"),
        atom(115, "false"),
        bin("false118"),
        atom(118, "false"),
        bin("true"),
        atom(119, "true"),
        bin("zero"),
        small(0),
        bin("empty"),
        bin(""),
        bin("text"),
        bin("nil"),
        bin("list"),
        nil,
    });
    for (const char* key : {"nil100", "nil119", "false115", "false118", "none"})
        check(!session.truthy(key), key);
    for (const char* key : {"true", "zero", "empty", "text", "list"})
        check(session.truthy(key), key);
    check_bytes(session.binary("empty"), "");
    check_bytes(session.binary("text"), "nil");
    for (const char* key : {"true", "zero", "list", "nil100", "none"})
        check(!session.binary(key), key);
}

void writes_values(void**) {
    Session session;
    check(session.empty());
    check_bytes(session.encode(), payload({}));
    session.put("binary", bytes("a\0b"));
    session.put_true("user_remember_me");
    session.put_integer("auth_sigra_sudo", 1);
    session.put_integer("time", 1700000000000);
    check_bytes(
        session.encode(),
        payload({bin("binary"), bin(bytes("a\0b")), bin("user_remember_me"),
                 atom(119, "true"), bin("auth_sigra_sudo"), small(1),
                 bin("time"), big(bytes("\0\x68\xe5\xcf\x8b\1"))}));
    check(!session.empty());
    session.clear();
    check(session.empty());
    check_bytes(session.encode(), payload({}));
    session.put("again", "1");
    check_bytes(session.encode(), payload({bin("again"), bin("1")}));
}

// A view that a session returned may be put back into it.
void a_view_of_its_own_is_a_value(void**) {
    Session session;
    session.put("a", std::string(40, 'a'));
    for (int i = 0; i < 20; ++i) {
        session.put("b" + std::to_string(i), *session.binary("a"));
        session.put(*session.binary("a"), *session.binary("a"));
        session.put_flash(*session.binary("a"), *session.binary("a"));
        session.put_flash("info", *session.flash(*session.binary("a")));
    }
    check_bytes(session.binary("b19"), std::string(40, 'a'));
    check_bytes(session.flash("info"), std::string(40, 'a'));
    check(Session::decode(session.encode()).has_value());
}

void copies_stand_alone(void**) {
    Session first;
    first.put("a", "1");
    Session second = first;
    second.put("a", "2");
    check_bytes(first.binary("a"), "1");
    check_bytes(second.binary("a"), "2");
    first = std::move(second);
    check_bytes(first.binary("a"), "2");
}

void the_flash_is_a_map_in_the_map(void**) {
    auto session = decoded({bin("phoenix_flash"),
                            map({bin("info"), bin("hello"), atom(100, "odd"),
                                 small(1), bin("error"), list({small(1)})}),
                            bin("other"), nil});
    check_bytes(session.flash("info"), "hello");
    check(!session.flash("error"));
    check(!session.flash("odd"));
    check(!session.flash("email"));

    session.put_flash("error", "no");
    session.put_flash("email", "a@b.c");
    check_bytes(
        session.encode(),
        payload({bin("phoenix_flash"),
                 map({bin("info"), bin("hello"), atom(100, "odd"), small(1),
                      bin("error"), bin("no"), bin("email"), bin("a@b.c")}),
                 bin("other"), nil}));
    session.erase_flash("info");
    session.erase_flash("none");
    check(!session.flash("info"));
    check_bytes(session.flash("email"), "a@b.c");
    session.clear_flash();
    check_bytes(session.encode(), payload({bin("other"), nil}));
    session.erase_flash("email");
}

void the_last_flash_takes_the_map(void**) {
    Session session;
    session.put_flash("info", "Welcome back!");
    check_bytes(session.encode(),
                payload({bin("phoenix_flash"),
                         map({bin("info"), bin("Welcome back!")})}));
    session.erase_flash("info");
    check(session.empty());
}

void a_flash_that_is_no_map_counts_as_none(void**) {
    for (const auto& value : {atom(119, "nil"), bin("info"), list({}),
                              tuple({bin("info"), bin("x")})}) {
        auto session = decoded({bin("phoenix_flash"), value, bin("x"), nil});
        check(!session.flash("info"));
        session.erase_flash("info");
        check_bytes(session.encode(),
                    payload({bin("phoenix_flash"), value, bin("x"), nil}));
        session.put_flash("info", "hello");
        check_bytes(session.encode(),
                    payload({bin("phoenix_flash"),
                             map({bin("info"), bin("hello")}), bin("x"), nil}));
    }
}

using State = SessionToken::State;

void reads_the_token(void**) {
    const auto text = base64url_encode(raw_token);
    struct {
        std::string value;
        State raw, text;
    } const cases[] = {
        {bin(raw_token), State::present, State::invalid},
        {bin(text), State::invalid, State::present},
        {bin(text + "="), State::invalid, State::invalid},
        {bin(text.substr(1)), State::invalid, State::invalid},
        {bin(""), State::invalid, State::invalid},
        {bin(raw_token.substr(1)), State::invalid, State::invalid},
        {bin(raw_token + "x"), State::invalid, State::invalid},
        {bin(std::string(10'000, 'x')), State::invalid, State::invalid},
        {bin(base64url_encode(std::string(31, 'x'))), State::invalid,
         State::invalid},
        {bin(base64url_encode(std::string(33, 'x'))), State::invalid,
         State::invalid},
        {str(raw_token), State::invalid, State::invalid},
        {atom(119, "true"), State::invalid, State::invalid},
        {nil, State::invalid, State::invalid},
        {small(0), State::invalid, State::invalid},
        {map({}), State::invalid, State::invalid},
        {atom(119, "nil"), State::absent, State::absent},
        {atom(100, "false"), State::absent, State::absent},
    };
    for (const auto& row : cases) {
        const auto session = decoded({bin("user_token"), row.value});
        for (const auto form : {TokenForm::raw, TokenForm::text}) {
            const auto token = session_token(session, keys, form);
            const auto state = form == TokenForm::raw ? row.raw : row.text;
            check(token.state == state, row.value);
            check_bytes(token.bytes, state == State::present ? raw_token : "",
                        row.value);
        }
    }
    const auto token = session_token(Session(), keys, TokenForm::raw);
    check(token.state == State::absent && token.bytes.empty());
}

void puts_the_token(void**) {
    const auto text = base64url_encode(raw_token);
    struct {
        TokenForm form;
        std::string carried;
    } const cases[] = {{TokenForm::raw, raw_token}, {TokenForm::text, text}};
    for (const auto& row : cases) {
        Session session;
        put_token(session, SessionKeys("admin", "admins"), row.form, raw_token);
        check_bytes(session.encode(),
                    payload({bin("admin_token"), bin(row.carried),
                             bin("live_socket_id"),
                             bin("admins_sessions:" +
                                 base64url_encode_padded(row.carried))}));
        check_bytes(token_to_cookie(raw_token, row.form), row.carried);
        check_bytes(token_from_cookie(row.carried, row.form), raw_token);
    }
    check(!token_from_cookie(text, TokenForm::raw));
    check(!token_from_cookie(raw_token, TokenForm::text));
}

// Random changes give the same result as for a plain list of pairs.
void agrees_with_a_plain_list(void**) {
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::pair<std::string, std::string>> model;
        Session session;
        for (int step = 0; step < 60; ++step) {
            const auto key =
                std::string(1, static_cast<char>('a' + random() % 6));
            const auto found = std::ranges::find(
                model, key, &std::pair<std::string, std::string>::first);
            if (random() % 3 == 0) {
                session.erase(key);
                if (found != model.end())
                    model.erase(found);
                continue;
            }
            const std::string value(random() % 40, 'v');
            session.put(key, value);
            if (found != model.end())
                found->second = value;
            else
                model.emplace_back(key, value);
        }
        std::vector<std::string> pairs;
        for (const auto& [key, value] : model) {
            pairs.push_back(bin(key));
            pairs.push_back(bin(value));
        }
        check_bytes(session.encode(), payload(pairs));
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_keys_follow_the_schema),
        cmocka_unit_test(refuses_what_is_no_map),
        cmocka_unit_test(keeps_what_it_does_not_know),
        cmocka_unit_test(a_key_is_a_binary),
        cmocka_unit_test(says_what_is_true),
        cmocka_unit_test(writes_values),
        cmocka_unit_test(a_view_of_its_own_is_a_value),
        cmocka_unit_test(copies_stand_alone),
        cmocka_unit_test(the_flash_is_a_map_in_the_map),
        cmocka_unit_test(the_last_flash_takes_the_map),
        cmocka_unit_test(a_flash_that_is_no_map_counts_as_none),
        cmocka_unit_test(reads_the_token),
        cmocka_unit_test(puts_the_token),
        cmocka_unit_test(agrees_with_a_plain_list),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
