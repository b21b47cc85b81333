// Cookies made by the reference implementation; each must be read as its row
// says.
#include <chrono>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "phoenix/crypto.hpp"
#include "phoenix/csrf.hpp"
#include "phoenix/encoding.hpp"
#include "phoenix/message.hpp"
#include "phoenix/remember_me.hpp"
#include "phoenix/session.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using nlohmann::json;

namespace {

json read(const char* path) {
    std::ifstream file(path);
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return json::parse(text, nullptr, false);
}

const json& vectors() {
    static const json parsed = read("t/unit/vectors/phoenix.json");
    return parsed;
}

std::string text_of(const json& row, const char* name) {
    return row.value(name, std::string());
}

std::string key_for(std::string_view salt) {
    return derive_key(text_of(vectors(), "secret_key_base"), salt, {});
}

std::int64_t now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch())
        .count();
}

Sealer sealer_of(Verifier verifier) {
    Sealer sealer;
    sealer.add(std::move(verifier));
    return sealer;
}

Sealer encrypted_sealer() {
    Sealer sealer;
    sealer.add(Encryptor(key_for(text_of(vectors(), "encryption_salt"))));
    return sealer;
}

Sealer session_sealer(std::string_view value) {
    if (value.starts_with("XCP."))
        return encrypted_sealer();
    return sealer_of(Verifier(key_for(text_of(vectors(), "signing_salt"))));
}

std::optional<std::string> session_cookie_token(const std::string& value) {
    const auto payload = session_sealer(value).open(value);
    const auto session = payload ? Session::decode(*payload) : std::nullopt;
    if (!session)
        return std::nullopt;
    auto token =
        session_token(*session, SessionKeys("user", "users"), TokenForm::raw);
    check((token.state == SessionToken::State::present) ==
          !token.bytes.empty());
    if (token.bytes.empty())
        return std::nullopt;
    return token.bytes;
}

std::optional<std::string> remember_cookie_token(const std::string& name,
                                                 const std::string& value) {
    const Verifier verifier(key_for(signed_cookie_salt(name)));
    const auto payload = verifier.verify(value);
    if (!payload)
        return std::nullopt;
    const auto read = read_remember_me(*payload, now_ms());
    if (read.state != RememberMe::State::valid)
        return std::nullopt;
    return token_from_cookie(read.token, TokenForm::raw);
}

std::optional<std::string> token_of(const json& row) {
    const auto name = text_of(row, "cookie");
    const auto value = text_of(row, "value");
    return name == text_of(vectors(), "session_cookie")
               ? session_cookie_token(value)
               : remember_cookie_token(name, value);
}

void reads_every_cookie(void**) {
    const auto& cookies = vectors()["cookies"];
    assert_int_equal(cookies.size(), 19);
    for (const auto& row : cookies) {
        const auto name = text_of(row, "name");
        const auto expect = text_of(row, "expect");
        const auto token = token_of(row);
        const bool is_known =
            token && hex_encode(*token) == text_of(vectors(), "token1_hex");
        if (expect == "token")
            check(is_known, name);
        else if (expect == "unknown-token")
            check(token && !is_known, name);
        else if (expect == "none")
            check(!token, name);
        else
            check(expect == "either", name);
    }
}

// Decoding and encoding a payload yields the reference's bytes again.
void rewrites_every_session_byte_for_byte(void**) {
    int rewritten = 0;
    for (const auto& row : vectors()["cookies"]) {
        const auto value = text_of(row, "value");
        const auto payload = session_sealer(value).open(value);
        const auto session = payload ? Session::decode(*payload) : std::nullopt;
        if (!session)
            continue;
        check_bytes(session->encode(), *payload, text_of(row, "name"));
        ++rewritten;
    }
    assert_int_equal(rewritten, 10);
}

void signs_as_the_reference(void**) {
    int made = 0;
    for (const auto& row : vectors()["cookies"]) {
        const auto value = text_of(row, "value");
        const Verifier verifier(key_for(text_of(vectors(), "signing_salt")));
        const auto payload = verifier.verify(value);
        if (!payload || !value.starts_with("SFMyNTY."))
            continue;
        check_bytes(verifier.sign(*payload), value, text_of(row, "name"));
        ++made;
    }
    assert_int_equal(made, 10);
}

void an_encrypted_cookie_refuses_signed_ones(void**) {
    const auto sealer = encrypted_sealer();
    for (const auto& row : vectors()["cookies"]) {
        const auto value = text_of(row, "value");
        if (!value.starts_with("XCP."))
            check(!sealer.open(value), text_of(row, "name"));
    }
}

void every_flipped_character_is_refused(void**) {
    for (const auto& row : vectors()["cookies"]) {
        const auto good = text_of(row, "value");
        const auto sealer = session_sealer(good);
        if (good.size() > 300 || !sealer.open(good))
            continue;
        for (std::size_t i = 0; i < good.size(); ++i) {
            auto bad = good;
            bad[i] = bad[i] == 'A' ? 'B' : 'A';
            check(!sealer.open(bad), bad);
            check(!sealer.open(good.substr(0, i)), good.substr(0, i));
        }
        check(!sealer.open(good + "A"), good);
        check(!sealer.open(good + "="), good);
    }
}

void csrf_tokens_fit_their_state(void**) {
    const auto state = text_of(vectors(), "csrf_state");
    check(csrf_matches(state, text_of(vectors(), "csrf_masked")));
    check(!csrf_matches(state, text_of(vectors(), "csrf_masked_other_state")));
}

// All terms that Plug keeps in a session are kept byte for byte. The token is
// still found, and the rest of the session can be changed.
void keeps_every_term_of_erlang(void**) {
    int kept = 0;
    const auto terms = read("t/unit/vectors/terms.json");
    assert_int_equal(terms.size(), 43);
    const SessionKeys keys("user", "users");
    for (const auto& row : terms) {
        const auto name = text_of(row, "name");
        const auto payload = hex_decode(text_of(row, "hex")).value_or("");
        auto session = Session::decode(payload);
        check(session.has_value() == (text_of(row, "expect") == "kept"), name);
        if (!session)
            continue;
        ++kept;
        check_bytes(session->encode(), payload, name);
        check(session_token(*session, keys, TokenForm::raw).state ==
                  SessionToken::State::present,
              name);
        session->put("x_new", "1");
        const auto again = Session::decode(session->encode());
        check(again.has_value(), name);
        session->erase("x_new");
        check_bytes(session->encode(), payload, name);
    }
    assert_int_equal(kept, 28);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_cookie),
        cmocka_unit_test(rewrites_every_session_byte_for_byte),
        cmocka_unit_test(signs_as_the_reference),
        cmocka_unit_test(an_encrypted_cookie_refuses_signed_ones),
        cmocka_unit_test(every_flipped_character_is_refused),
        cmocka_unit_test(csrf_tokens_fit_their_state),
        cmocka_unit_test(keeps_every_term_of_erlang),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
