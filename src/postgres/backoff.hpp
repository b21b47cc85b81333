// When a pool may try to connect again.
#pragma once

#include <algorithm>

#include "postgres/reactor.hpp"

namespace sigra::postgres {

// The delay grows exponentially from 100 ms to `longest`; a random part, at
// most half of it, is taken off. While queries wait, the next attempt is due
// no later than a second after the last one.
class Backoff {
  public:
    explicit Backoff(Milliseconds longest) : longest_(longest) {}

    [[nodiscard]] bool failing() const { return failures_ > 0; }
    // True if queries are refused without waiting for the next attempt. A
    // single attempt that failed quickly is not enough: the server may have
    // been restarting, or have ended all connections at that moment.
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
    // The server has closed an open connection, so it was reachable.
    void ended() {
        refused_ = 0;
        silent_ = false;
    }
    enum class Failure {
        refused,  // an attempt to connect failed
        lost,     // an open connection ended before it answered any query
        silent,   // an open connection stopped answering
    };
    // `random` is in [0, 1).
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
