// When a pool may try to connect again.
#pragma once

#include <algorithm>

#include "postgres/reactor.hpp"

namespace sigra::postgres {

// Exponential from 100 ms, jittered to between half and all of it. While
// somebody waits, an attempt is due at least a second after the last.
class Backoff {
  public:
    explicit Backoff(Milliseconds longest) : longest_(longest) {}

    [[nodiscard]] bool failing() const { return failures_ > 0; }
    [[nodiscard]] Milliseconds due(bool wanted) const {
        if (!failing()) {
            return Milliseconds(0);
        }
        return wanted ? std::min(not_before_, tried_ + Milliseconds(1000))
                      : not_before_;
    }

    void tried(Milliseconds now) { tried_ = now; }
    void worked() { failures_ = 0; }
    // `random` in [0, 1).
    void failed(Milliseconds now, double random) {
        Milliseconds delay(100);
        for (unsigned i = 0; i < failures_ && delay < longest_; i++) {
            delay *= 2;
        }
        failures_++;
        delay = std::min(delay, longest_);
        not_before_ = now + std::chrono::duration_cast<Milliseconds>(
                                delay * (0.5 + random / 2));
    }

  private:
    Milliseconds longest_;
    unsigned failures_ = 0;
    Milliseconds not_before_{0};
    Milliseconds tried_{0};
};

}  // namespace sigra::postgres
