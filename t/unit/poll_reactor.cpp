#include "poll_reactor.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace sigra::test {

using std::chrono::duration_cast;
using std::chrono::steady_clock;

bool in_callback = false;

namespace {

// Memcheck slows everything down except the clock. This clock is slowed down
// too, so that time limits that hold without memcheck hold with it.
Milliseconds::rep slowness() {
    static const Milliseconds::rep times =
        std::getenv("VALGRIND") != nullptr ? 10 : 1;
    return times;
}

Milliseconds passed(steady_clock::duration time) {
    return duration_cast<Milliseconds>(time / slowness());
}

// While it exists, allocations do not fail: nginx does this work without them.
class Outside {
  public:
    Outside() : was_(std::exchange(in_callback, false)) {}
    ~Outside() { in_callback = was_; }
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

  private:
    bool was_;
};

}  // namespace

template <class Call>
void PollReactor::guarded(const Call& call) {
    in_callback = true;
    try {
        call();
    } catch (const std::bad_alloc&) {
    }
    in_callback = false;
}

struct PollReactor::WatchState {
    int descriptor;
    postgres::IoHandler* handler;
    short events = 0;
    bool idle = false;
    bool live = true;
};

struct PollReactor::TimerState {
    std::function<void()> fire;
    bool keeps_alive;
    bool running = false;
    Milliseconds due{0};
    bool live = true;
};

struct PollReactor::PostedState {
    std::function<void()> run;
    bool scheduled = false;
    bool live = true;
};

struct PollReactor::ResolveState {
    std::string host;
    Resolved done;
    bool live = true;
    std::vector<std::string> addresses;
    std::string error;
};

class PollReactor::PollWatch final : public postgres::Watch {
  public:
    explicit PollWatch(std::shared_ptr<WatchState> state)
        : state_(std::move(state)) {}
    ~PollWatch() override { state_->live = false; }
    bool want(bool read, bool write) override {
        state_->events =
            static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
        return true;
    }
    void set_idle(bool idle) override { state_->idle = idle; }

  private:
    std::shared_ptr<WatchState> state_;
};

class PollReactor::PollTimer final : public postgres::Timer {
  public:
    PollTimer(const PollReactor& reactor, std::shared_ptr<TimerState> state)
        : reactor_(reactor), state_(std::move(state)) {}
    ~PollTimer() override { state_->live = false; }
    void start(Milliseconds delay) override {
        state_->running = true;
        state_->due = reactor_.now() + delay;
    }
    void stop() override { state_->running = false; }
    bool running() const override { return state_->running; }

  private:
    const PollReactor& reactor_;
    std::shared_ptr<TimerState> state_;
};

class PollReactor::PollPosted final : public postgres::Posted {
  public:
    PollPosted(PollReactor& reactor, std::shared_ptr<PostedState> state)
        : reactor_(reactor), state_(std::move(state)) {}
    ~PollPosted() override { state_->live = false; }
    void schedule() override {
        const Outside outside;
        if (!state_->scheduled) {
            state_->scheduled = true;
            reactor_.posted_.push_back(state_);
        }
    }

  private:
    PollReactor& reactor_;
    std::shared_ptr<PostedState> state_;
};

class PollReactor::PollResolution final : public postgres::Resolution {
  public:
    explicit PollResolution(std::shared_ptr<ResolveState> state)
        : state_(std::move(state)) {}
    ~PollResolution() override { state_->live = false; }

  private:
    std::shared_ptr<ResolveState> state_;
};

PollReactor::PollReactor() {
    if (pipe(wake_) != 0) {
        std::abort();
    }
}

PollReactor::~PollReactor() {
    for (std::thread& thread : threads_) {
        thread.join();
    }
    close(wake_[0]);
    close(wake_[1]);
}

std::unique_ptr<postgres::Watch> PollReactor::watch(
    int descriptor, postgres::IoHandler& handler) {
    auto state = std::make_shared<WatchState>(
        WatchState{.descriptor = descriptor, .handler = &handler});
    auto watch = std::make_unique<PollWatch>(state);
    watches_.push_back(std::move(state));
    return watch;
}

std::unique_ptr<postgres::Timer> PollReactor::timer(std::function<void()> fire,
                                                    bool keeps_alive) {
    timers_.push_back(std::make_shared<TimerState>(
        TimerState{.fire = std::move(fire), .keeps_alive = keeps_alive}));
    return std::make_unique<PollTimer>(*this, timers_.back());
}

std::unique_ptr<postgres::Posted> PollReactor::posted(
    std::function<void()> run) {
    return std::make_unique<PollPosted>(
        *this,
        std::make_shared<PostedState>(PostedState{.run = std::move(run)}));
}

std::unique_ptr<postgres::Resolution> PollReactor::resolve(
    const std::string& host, Resolved done) {
    auto state = std::make_shared<ResolveState>();
    state->host = host;
    state->done = std::move(done);
    if (const auto known = names.find(host); known != names.end()) {
        state->addresses = known->second;
        const std::lock_guard<std::mutex> lock(mutex_);
        resolved_.push_back(state);
        wake();
        return std::make_unique<PollResolution>(state);
    }
    threads_.emplace_back([this, state] {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        const int rc =
            getaddrinfo(state->host.c_str(), nullptr, &hints, &found);
        if (rc != 0) {
            state->error = gai_strerror(rc);
        }
        for (auto* at = found; at; at = at->ai_next) {
            char text[NI_MAXHOST];
            if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text),
                            nullptr, 0, NI_NUMERICHOST) == 0) {
                state->addresses.emplace_back(text);
            }
        }
        if (found) {
            freeaddrinfo(found);
        }
        const std::lock_guard<std::mutex> lock(mutex_);
        resolved_.push_back(state);
        wake();
    });
    return std::make_unique<PollResolution>(state);
}

void PollReactor::wake() const {
    if (write(wake_[1], "", 1) != 1) {
        std::abort();
    }
}

Milliseconds PollReactor::now() const {
    return advanced_ + passed(steady_clock::now().time_since_epoch());
}

Milliseconds PollReactor::of_server(Milliseconds time) {
    return passed(time);
}

double PollReactor::random() {
    return drand48();
}

void PollReactor::log(LogLevel level, std::string_view message) {
    const Outside outside;
    lines.emplace_back(level, message);
    if (std::getenv("SIGRA_TEST_VERBOSE")) {
        std::fprintf(stderr, "[%d] %.*s\n", static_cast<int>(level),
                     static_cast<int>(message.size()), message.data());
    }
}

bool PollReactor::run_until(const std::function<bool()>& condition,
                            Milliseconds bound) {
    const Milliseconds end = now() + bound;
    while (!condition()) {
        const Milliseconds left = end - now();
        if (left.count() <= 0) {
            return false;
        }
        turn(std::min(left, Milliseconds(10)));
    }
    return true;
}

int PollReactor::wait_for(Milliseconds longest) const {
    if (!posted_.empty()) {
        return 0;
    }
    Milliseconds wait = longest;
    for (const auto& timer : timers_) {
        if (timer->live && timer->running) {
            wait = std::min(wait, timer->due - now());
        }
    }
    return static_cast<int>(std::max<Milliseconds::rep>(wait.count(), 0));
}

void PollReactor::turn(Milliseconds longest) {
    watches_.remove_if([](const auto& state) { return !state->live; });
    timers_.remove_if([](const auto& state) { return !state->live; });
    const std::vector<std::shared_ptr<WatchState>> states(watches_.begin(),
                                                          watches_.end());
    std::vector<pollfd> polled{{wake_[0], POLLIN, 0}};
    for (const auto& state : states) {
        polled.push_back({state->descriptor, state->events, 0});
    }
    const int wait = wait_for(longest);
    const auto begun = steady_clock::now();
    poll(polled.data(), polled.size(), wait * static_cast<int>(slowness()));
    held_up_ = std::max(
        held_up_, passed(steady_clock::now() - begun) - Milliseconds(wait));
    for (std::size_t i = 0; i < states.size(); i++) {
        if (states[i]->live && polled[i + 1].revents != 0) {
            guarded([&] { states[i]->handler->on_io(); });
        }
    }
    if (polled[0].revents != 0) {
        finish_resolutions();
    }
    fire_timers();
    run_posted();
}

void PollReactor::finish_resolutions() {
    char bytes[64];
    (void)!read(wake_[0], bytes, sizeof(bytes));
    std::list<std::shared_ptr<ResolveState>> finished;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        finished.swap(resolved_);
    }
    for (const auto& state : finished) {
        if (state->live) {
            guarded([&] { state->done(state->addresses, state->error); });
        }
    }
}

void PollReactor::fire_timers() {
    const std::vector<std::shared_ptr<TimerState>> timers(timers_.begin(),
                                                          timers_.end());
    for (const auto& timer : timers) {
        if (timer->live && timer->running && timer->due <= now()) {
            timer->running = false;
            guarded([&] { timer->fire(); });
        }
    }
}

void PollReactor::run_posted() {
    while (!posted_.empty()) {
        const std::shared_ptr<PostedState> state = posted_.front();
        posted_.pop_front();
        state->scheduled = false;
        if (state->live) {
            guarded([&] { state->run(); });
        }
    }
}

void PollReactor::close_idle() {
    const std::vector<std::shared_ptr<WatchState>> states(watches_.begin(),
                                                          watches_.end());
    for (const auto& state : states) {
        if (state->live && state->idle) {
            state->handler->on_close_request();
        }
    }
}

bool PollReactor::logged(std::string_view text) const {
    return std::any_of(lines.begin(), lines.end(), [&](const auto& line) {
        return line.second.find(text) != std::string::npos;
    });
}

std::size_t PollReactor::count_logged(LogLevel level,
                                      std::string_view text) const {
    return static_cast<std::size_t>(
        std::count_if(lines.begin(), lines.end(), [&](const auto& line) {
            return line.first == level &&
                   line.second.find(text) != std::string::npos;
        }));
}

bool PollReactor::kept_alive() const {
    return std::any_of(timers_.begin(), timers_.end(), [](const auto& timer) {
        return timer->live && timer->running && timer->keeps_alive;
    });
}

std::size_t PollReactor::watched() const {
    return static_cast<std::size_t>(
        std::count_if(watches_.begin(), watches_.end(),
                      [](const auto& state) { return state->live; }));
}

}  // namespace sigra::test
