// How nice the thread of the next password check is.
#include "phoenix/check_niceness.hpp"

#include "unit.hpp"

namespace {

using namespace std::chrono_literals;
using sigra::phoenix::CheckNiceness;
using sigra::unit::check;

void the_first_check_shares(void**) {
    check(CheckNiceness().of_next() == CheckNiceness::sharing);
}

void one_that_has_room_yields(void**) {
    CheckNiceness niceness;
    niceness.learn(200ms, 200ms);
    check(niceness.of_next() == CheckNiceness::yielding);
    // The event loop and PostgreSQL use three quarters of the processor.
    niceness.learn(800ms, 200ms);
    check(niceness.of_next() == CheckNiceness::yielding);
}

// Beside a busy thread of niceness 0, with the weights of the kernel.
void one_that_starves_shares_from_then_on(void**) {
    CheckNiceness niceness;
    niceness.learn(200ms, 200ms);
    niceness.learn(200ms * (1024 + 56) / 56, 200ms);
    check(niceness.of_next() == CheckNiceness::sharing);
    for (int i = 0; i < 10; i++) {
        niceness.learn(200ms * (1024 + 423) / 423, 200ms);
        check(niceness.of_next() == CheckNiceness::sharing,
              "as long as it is busy");
    }
    niceness.learn(250ms, 200ms);
    check(niceness.of_next() == CheckNiceness::yielding, "and no longer");
}

void a_short_one_tells_nothing(void**) {
    CheckNiceness niceness;
    niceness.learn(1ms, 1ms);
    check(niceness.of_next() == CheckNiceness::sharing);
    niceness.learn(200ms, 200ms);
    niceness.learn(100ms, 1ms);
    niceness.learn(100ms, 0ms);
    check(niceness.of_next() == CheckNiceness::yielding);
}

}  // namespace

int main() {
    const CMUnitTest tests[] = {
        cmocka_unit_test(the_first_check_shares),
        cmocka_unit_test(one_that_has_room_yields),
        cmocka_unit_test(one_that_starves_shares_from_then_on),
        cmocka_unit_test(a_short_one_tells_nothing),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
