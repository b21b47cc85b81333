// The event loop of the unit tests. It uses poll(2), and a thread for each name
// to resolve.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "postgres/reactor.hpp"

namespace sigra::test {

using postgres::LogLevel;
using postgres::Milliseconds;

// True while the loop calls the code under test.
extern bool in_callback;

class PollReactor final : public postgres::Reactor {
  public:
    PollReactor();
    ~PollReactor() override;  // waits for the threads
    PollReactor(const PollReactor&) = delete;
    PollReactor& operator=(const PollReactor&) = delete;

    std::unique_ptr<postgres::Watch> watch(
        int descriptor, postgres::IoHandler& handler) override;
    std::unique_ptr<postgres::Timer> timer(std::function<void()> fire,
                                           bool keeps_alive) override;
    std::unique_ptr<postgres::Posted> posted(
        std::function<void()> run) override;
    std::unique_ptr<postgres::Resolution> resolve(const std::string& host,
                                                  Resolved done) override;
    Milliseconds now() const override;
    double random() override;
    void log(LogLevel level, std::string_view message) override;

    // Converts a time of the server's clock to this clock: less under memcheck.
    [[nodiscard]] static Milliseconds of_server(Milliseconds time);

    // Runs one turn, and waits at most `longest` for events.
    void turn(Milliseconds longest = Milliseconds(0));
    // Runs the loop until the condition holds, which may also depend on other
    // threads or the server. Returns false after `bound`.
    bool run_until(const std::function<bool()>& condition,
                   Milliseconds bound = Milliseconds(30000));
    // Sets the clock forward.
    void advance(Milliseconds time) { advanced_ += time; }
    // What nginx does when a worker shuts down.
    void close_idle();

    [[nodiscard]] bool logged(std::string_view text) const;
    [[nodiscard]] std::size_t count_logged(LogLevel level,
                                           std::string_view text) const;
    // True if a timer with `keeps_alive` is running.
    [[nodiscard]] bool kept_alive() const;
    [[nodiscard]] std::size_t watched() const;
    // The longest delay of a turn because the machine was busy.
    [[nodiscard]] Milliseconds held_up() const { return held_up_; }

    std::vector<std::pair<LogLevel, std::string>> lines;
    // Names that are answered from this table instead of a resolver.
    std::map<std::string, std::vector<std::string>> names;

  private:
    struct WatchState;
    struct TimerState;
    struct PostedState;
    struct ResolveState;
    class PollWatch;
    class PollTimer;
    class PollPosted;
    class PollResolution;

    // Catches all exceptions of a callback, as nginx's reactor does.
    template <class Call>
    void guarded(const Call& call);
    void wake() const;
    void run_posted();
    void fire_timers();
    void finish_resolutions();
    [[nodiscard]] int wait_for(Milliseconds longest) const;

    // The state of a destroyed object remains, with `live` false.
    std::list<std::shared_ptr<WatchState>> watches_;
    std::list<std::shared_ptr<TimerState>> timers_;
    std::list<std::shared_ptr<PostedState>> posted_;  // scheduled
    std::list<std::thread> threads_;
    std::mutex mutex_;
    std::list<std::shared_ptr<ResolveState>> resolved_;  // under mutex_
    Milliseconds advanced_{0};
    Milliseconds held_up_{0};
    int wake_[2];  // threads write here
};

}  // namespace sigra::test
