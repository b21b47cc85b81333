// What a connection needs of an event loop: nginx's in a worker, a small one
// of poll(2) in the unit tests. Everything here runs on the loop's one thread.
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
    // The loop wants its idle descriptors back (a worker that shuts down).
    virtual void on_close_request() = 0;

  protected:
    ~IoHandler() = default;
};

// A descriptor under watch, level-triggered. Destroying it removes the
// descriptor from the loop without closing it: libpq closes.
class Watch {
  public:
    virtual ~Watch() = default;
    // False: the loop refused, treat the connection as lost.
    [[nodiscard]] virtual bool want(bool read, bool write) = 0;
    // libpq has closed the descriptor, as it does on a fatal error: its number
    // may name another file by now, so nothing is left to be removed.
    virtual void descriptor_closed() {}
    // An idle descriptor may be asked to close and keeps no worker alive.
    virtual void set_idle(bool idle) = 0;
};

class Timer {
  public:
    virtual ~Timer() = default;
    virtual void start(Milliseconds delay) = 0;  // again: moves it
    virtual void stop() = 0;
    [[nodiscard]] virtual bool running() const = 0;
};

// Runs its callback once after the I/O of this turn of the loop.
class Posted {
  public:
    virtual ~Posted() = default;
    virtual void schedule() = 0;  // again before it ran: once
};

// Destroying it detaches the callback; the thread finishes for itself.
class Resolution {
  public:
    virtual ~Resolution() = default;
};

class Reactor {
  public:
    virtual ~Reactor() = default;

    // Null when the loop has no place left.
    [[nodiscard]] virtual std::unique_ptr<Watch> watch(int descriptor,
                                                       IoHandler& handler) = 0;

    // `keeps_alive`: a worker that shuts down waits for this timer (somebody
    // waits for an answer); without it the timer may never fire again.
    [[nodiscard]] virtual std::unique_ptr<Timer> timer(
        std::function<void()> fire, bool keeps_alive) = 0;

    [[nodiscard]] virtual std::unique_ptr<Posted> posted(
        std::function<void()> run) = 0;

    // Numeric addresses of a host, by getaddrinfo on another thread. `done`
    // runs on the loop, never from inside this call; no addresses: `error`
    // says why. Null when no thread can take it: then `done` never runs.
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
