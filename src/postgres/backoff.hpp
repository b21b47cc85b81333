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
    // So that nobody need wait for the next attempt. One that failed quickly
    // is not enough: it may have met a restart, or have been ended with the
    // connections before it.
    [[nodiscard]] bool down() const { return refused_ > 1 || silent_; }
    [[nodiscard]] Milliseconds due(bool wanted) const {
        if (!failing()) {
            return Milliseconds(0);
        }
        return wanted ? std::min(not_before_, tried_ + Milliseconds(1000))
                      : not_before_;
    }

    void tried(Milliseconds now) { tried_ = now; }
    void worked() {
        failures_ = 0;
        refused_ = 0;
        silent_ = false;
    }
    // A connection was open, and the server has ended it: it was there.
    void ended() {
        refused_ = 0;
        silent_ = false;
    }
    enum class Failure {
        refused,  // an attempt to connect
        lost,     // a connection that was open and has answered nothing
        silent,   // one that answers no longer
    };
    // `random` in [0, 1).
    void failed(Milliseconds now, double random, Failure failure) {
        switch (failure) {
            case Failure::refused:
                refused_++;
                silent_ = silent_ || now - tried_ >= slow_attempt;
                break;
            case Failure::lost:
                break;
            case Failure::silent:
                silent_ = true;
                break;
        }
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
    static constexpr Milliseconds slow_attempt{1000};

    Milliseconds longest_;
    unsigned failures_ = 0;
    unsigned refused_ = 0;  // in a row
    bool silent_ = false;
    Milliseconds not_before_{0};
    Milliseconds tried_{0};
};

}  // namespace sigra::postgres
