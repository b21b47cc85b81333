// How much nicer than its worker the thread of a password check is.
#pragma once

#include <chrono>

namespace sigra::phoenix {

// A thread can become nicer, but without privileges not less nice, so a check
// keeps the niceness that it starts with, and the next one learns from it.
//
// With `yielding`, many logins at once do not delay other requests: the event
// loop goes first whenever it wakes. But where other programs compute in the
// same scheduling group, such a thread gets next to nothing. With `sharing` it
// gets four tenths of what each of them gets, and delays requests by up to a
// tick of the kernel's clock (4 ms).
class CheckNiceness {
  public:
    using Duration = std::chrono::nanoseconds;

    static constexpr int sharing = 4;
    static constexpr int yielding = 13;

    [[nodiscard]] int of_next() const { return has_room_ ? yielding : sharing; }

    // What a check took, and how much of that its thread was on a processor.
    // One that shares its processor with a busy thread of niceness 0 gets 29 %
    // of it with `sharing`, and 5 % with `yielding`. Between the two limits
    // nothing changes, so that it does not change back and forth.
    void learn(Duration took, Duration on_processor) {
        if (on_processor < shortest) {
            return;
        }
        if (took < 3 * on_processor) {
            has_room_ = true;
        } else if (took > 8 * on_processor) {
            has_room_ = false;
        }
    }

  private:
    // Of a shorter check, a single slice of another thread is too large a part.
    static constexpr Duration shortest = std::chrono::milliseconds(20);

    bool has_room_ = false;
};

}  // namespace sigra::phoenix
