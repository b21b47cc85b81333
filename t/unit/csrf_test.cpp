#include "phoenix/csrf.hpp"

#include <set>

#include "phoenix/encoding.hpp"
#include "unit.hpp"

using namespace sigra::phoenix;
using namespace sigra::unit;

namespace {

const std::string state = "bNSDRRi4S1ABHKlmMH2Be1Cd";

void makes_states(void**) {
    std::set<std::string> seen;
    for (int i = 0; i < 500; ++i) {
        const auto fresh = new_csrf_state();
        check(is_csrf_state(fresh), fresh);
        assert_int_equal(base64url_decode(fresh)->size(), 18);
        seen.insert(fresh);
    }
    assert_int_equal(seen.size(), 500);
}

void a_state_has_24_bytes(void**) {
    check(is_csrf_state(state));
    check(!is_csrf_state(""));
    check(!is_csrf_state("abc"));
    check(!is_csrf_state(state + "x"));
    check(!is_csrf_state(std::string_view(state).substr(1)));
}

void masks_afresh_each_time(void**) {
    std::set<std::string> seen;
    for (int i = 0; i < 500; ++i) {
        const auto token = mask_csrf(state);
        assert_int_equal(token.size(), 56);
        check(csrf_matches(state, token), token);
        check(!csrf_matches(new_csrf_state(), token), token);
        seen.insert(token);
    }
    assert_int_equal(seen.size(), 500);
    check(mask_csrf("").empty());
    check(mask_csrf("abc").empty());
    check(mask_csrf(state + "x").empty());
}

// The mask comes from the form and may be any 24 bytes.
void any_mask_fits(void**) {
    const std::string mask(24, '\xff');
    std::string masked;
    for (const char c : state)
        masked += static_cast<char>(c ^ '\xff');
    check(csrf_matches(state, base64url_encode(masked) + mask));
}

void refuses_what_does_not_fit(void**) {
    const auto good = mask_csrf(state);
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] = bad[i] == 'A' ? 'B' : 'A';
        check(!csrf_matches(state, bad), bad);
        check(!csrf_matches(state, good.substr(0, i)));
    }
    const std::string refused[] = {
        "",
        state,
        state + state,
        good + "A",
        good + "=",
        " " + good,
        std::string(56, 'A'),
        std::string(56, '\0'),
        std::string(56, '.'),
        std::string(10'000, 'A'),
        "SFMyNTY." + good.substr(8),
        "SFMyNTY.g3QAAAAA." + good,
        std::string(32, '=') + good.substr(32),
    };
    for (const auto& token : refused)
        check(!csrf_matches(state, token), token);
}

void no_state_fits_nothing(void**) {
    const auto good = mask_csrf(state);
    for (const auto& none : {std::string(), std::string("abc"), state + "x"})
        for (const auto& token : {std::string(), none, good, mask_csrf(none)})
            check(!csrf_matches(none, token), token);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(makes_states),
        cmocka_unit_test(a_state_has_24_bytes),
        cmocka_unit_test(masks_afresh_each_time),
        cmocka_unit_test(any_mask_fits),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(no_state_fits_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
