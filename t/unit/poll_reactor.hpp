// The event loop of the unit tests: poll(2), and a thread for each name that
// is resolved.
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

// The code under test is running, called from the loop.
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

    // What this clock shows of a time by the server's: less under memcheck.
    [[nodiscard]] static Milliseconds of_server(Milliseconds time);

    // One turn, at most `longest` of it waiting.
    void turn(Milliseconds longest = Milliseconds(0));
    // Turns the loop until the condition holds, which may be one beside the
    // loop; false: `bound` went by.
    bool run_until(const std::function<bool()>& condition,
                   Milliseconds bound = Milliseconds(30000));
    // As if that much time had passed.
    void advance(Milliseconds time) { advanced_ += time; }
    // What nginx does when a worker shuts down.
    void close_idle();

    [[nodiscard]] bool logged(std::string_view text) const;
    [[nodiscard]] std::size_t count_logged(LogLevel level,
                                           std::string_view text) const;
    // A timer runs that keeps a worker alive.
    [[nodiscard]] bool kept_alive() const;
    [[nodiscard]] std::size_t watched() const;
    // The longest time that the machine has kept a turn waiting.
    [[nodiscard]] Milliseconds held_up() const { return held_up_; }

    std::vector<std::pair<LogLevel, std::string>> lines;
    // Names that no resolver is asked for.
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

    // As nginx's reactor does: nothing leaves a callback.
    template <class Call>
    void guarded(const Call& call);
    void wake() const;
    void run_posted();
    void fire_timers();
    void finish_resolutions();
    [[nodiscard]] int wait_for(Milliseconds longest) const;

    // An object that was destroyed leaves its state with `live` false.
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
