#include "phoenix/session_cookie.hpp"

#include "phoenix/crypto.hpp"
#include "terms.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;
using namespace sigra::unit::terms;

namespace {

using State = SessionCookie::State;

Sealer sealer_of(std::string_view secret) {
    Sealer sealer;
    sealer.add(Verifier(derive_key(secret, "salt", {})));
    return sealer;
}

const std::string secret(64, 's');

std::string payload_of(const std::string& term) {
    return tagged(131, term);
}

void reads_a_good_one(void**) {
    const auto sealer = sealer_of(secret);
    const auto payload = payload_of(map({bin("a"), bin("b")}));
    const auto read = read_session_cookie(sealer, sealer.seal(payload));
    check(read.state == State::good);
    check_bytes(read.payload, payload);
    check_bytes(read.session.binary("a").value_or(""), "b");
}

void says_that_there_is_none(void**) {
    const auto read = read_session_cookie(sealer_of(secret), std::nullopt);
    check(read.state == State::absent);
    check(read.payload.empty() && read.session.empty());
}

void what_is_not_sealed_here_is_forged(void**) {
    const auto sealer = sealer_of(secret);
    const auto other = sealer_of(std::string(64, 'o'));
    const auto payload = payload_of(map({}));
    auto cut = sealer.seal(payload);
    cut.pop_back();
    for (const auto& value :
         {std::string(), std::string("x"), cut, other.seal(payload)}) {
        const auto read = read_session_cookie(sealer, value);
        check(read.state == State::forged, value);
        check(read.payload.empty() && read.session.empty(), value);
    }
}

// It is an application's session, which must not be overwritten.
void what_is_sealed_but_not_read_is_told_apart(void**) {
    const auto sealer = sealer_of(secret);
    for (const auto& payload : {
             std::string(),
             std::string("{\"json\":1}"),
             payload_of(bin("no map")),
             payload_of(map({bin("a"), tagged(80, "compressed")})),
             payload_of(map({bin("a"), tagged(113, atom(119, "m"))})),
             payload_of(map({bin("a"), nil, bin("a"), nil})),
         }) {
        const auto read = read_session_cookie(sealer, sealer.seal(payload));
        check(read.state == State::not_understood, payload);
        check_bytes(read.payload, payload);
        check(read.session.empty(), payload);
    }
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_good_one),
        cmocka_unit_test(says_that_there_is_none),
        cmocka_unit_test(what_is_not_sealed_here_is_forged),
        cmocka_unit_test(what_is_sealed_but_not_read_is_told_apart),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
