// The event loop as a connection uses it: nginx's in a worker, a small one
// over poll(2) in the unit tests. All calls run on the loop's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::postgres {

using Milliseconds = std::chrono::milliseconds;

enum class LogLevel { error, warn, notice, debug };

class IoHandler {
  public:
    virtual void on_io() = 0;
    // The loop asks idle connections to close, as nginx does in a worker that
    // shuts down.
    virtual void on_close_request() = 0;

  protected:
    ~IoHandler() = default;
};

// A descriptor registered with the loop, level-triggered. Destroying it
// removes the descriptor from the loop but does not close it; libpq does.
class Watch {
  public:
    virtual ~Watch() = default;
    // Returns false if the loop refused; the connection is then unusable.
    [[nodiscard]] virtual bool want(bool read, bool write) = 0;
    // libpq has closed the descriptor, as it does on a fatal error. Its number
    // may already belong to another file, so it must not be removed.
    virtual void descriptor_closed() {}
    // An idle descriptor may be asked to close, and does not delay the exit of
    // a worker.
    virtual void set_idle(bool idle) = 0;
};

class Timer {
  public:
    virtual ~Timer() = default;
    virtual void start(Milliseconds delay) = 0;  // while running: restarts it
    virtual void stop() = 0;
    [[nodiscard]] virtual bool running() const = 0;
};

// Runs its callback once after the I/O of this turn of the loop.
class Posted {
  public:
    virtual ~Posted() = default;
    virtual void schedule() = 0;  // while scheduled: does nothing
};

// Destroying it drops the callback; the thread still runs to its end.
class Resolution {
  public:
    virtual ~Resolution() = default;
};

class Reactor {
  public:
    virtual ~Reactor() = default;

    // Returns null if the loop has no free connection left.
    [[nodiscard]] virtual std::unique_ptr<Watch> watch(int descriptor,
                                                       IoHandler& handler) = 0;

    // `keeps_alive`: a worker that shuts down waits for this timer, because a
    // request waits for it. Otherwise the timer may not fire in such a worker.
    [[nodiscard]] virtual std::unique_ptr<Timer> timer(
        std::function<void()> fire, bool keeps_alive) = 0;

    [[nodiscard]] virtual std::unique_ptr<Posted> posted(
        std::function<void()> run) = 0;

    // Resolves a host to numeric addresses with getaddrinfo() on another
    // thread. `done` runs on the loop, never from inside this call; if there
    // are no addresses, `error` says why. Returns null if no thread can take
    // the job; `done` is not called then.
    using Resolved = std::function<void(std::vector<std::string> addresses,
                                        std::string error)>;
    [[nodiscard]] virtual std::unique_ptr<Resolution> resolve(
        const std::string& host, Resolved done) = 0;

    // Monotonic.
    [[nodiscard]] virtual Milliseconds now() const = 0;
    // Uniform in [0, 1).
    [[nodiscard]] virtual double random() = 0;
    virtual void log(LogLevel level, std::string_view message) = 0;
};

}  // namespace sigra::postgres
