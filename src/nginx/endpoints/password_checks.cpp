#include "nginx/endpoints/password_checks.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <thread>

#include "nginx/counters.hpp"

namespace sigra::nginx {
namespace {

constexpr ngx_msec_t look_again_after = 60'000;
constexpr int nicest = 19;
constexpr std::uint64_t longest_slice_ns = 100'000'000;

// The kernel's struct sched_attr. glibc does not have it, and
// linux/sched/types.h conflicts with glibc's sched_param.
struct SchedulerAttributes {
    std::uint32_t size = sizeof(SchedulerAttributes);
    std::uint32_t policy = SCHED_BATCH;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = longest_slice_ns;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

// Keeps many logins at once from delaying other requests. The event loop runs
// for microseconds and then sleeps; an ordinary thread that computes for 200 ms
// is preempted late, which shows in the 99th percentile of all requests. A
// batch thread does not preempt threads that wake up, and with long slices
// (since Linux 6.12; older kernels ignore them) threads that wake up preempt
// it, if they have not used more than their share: that depends on how much
// nicer it is.
void yield_to_event_loop(int nicer_by) {
    const auto thread = static_cast<id_t>(syscall(SYS_gettid));
    SchedulerAttributes attributes;
    attributes.nice =
        std::min(getpriority(PRIO_PROCESS, thread) + nicer_by, nicest);
    if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) {
        const sched_param none{};
        (void)sched_setscheduler(static_cast<pid_t>(thread), SCHED_BATCH,
                                 &none);
        (void)setpriority(PRIO_PROCESS, thread, attributes.nice);
    }
}

// How long the calling thread has been on a processor.
std::chrono::nanoseconds processor_time() {
    timespec time{};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) +
           std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

// Owned by PasswordChecks from submit() to the end of its event.
class PasswordJob {
  public:
    enum class State { waiting, running, ended };

    PasswordJob(PasswordChecks& checks, PasswordTask&& task,
                const PasswordLimits& limits, ngx_thread_pool_t* threads,
                PasswordWaiter& waiter)
        : checks_(checks),
          task_(std::move(task)),
          most_running_(limits.running),
          threads_(threads),
          waiter_(&waiter) {
        thread_task_.ctx = this;
        thread_task_.handler = on_thread;
        thread_task_.event.data = this;
        thread_task_.event.handler = PasswordChecks::on_finished;
    }
    PasswordJob(const PasswordJob&) = delete;
    PasswordJob& operator=(const PasswordJob&) = delete;

    [[nodiscard]] PasswordChecks& checks() const { return checks_; }
    [[nodiscard]] bool may_run_beside(std::size_t running) const {
        return running < most_running_;
    }
    [[nodiscard]] State state() const { return state_; }
    void enter(State state) { state_ = state; }
    [[nodiscard]] bool computed() const { return computed_; }
    [[nodiscard]] std::chrono::nanoseconds took() const { return took_; }
    [[nodiscard]] std::chrono::nanoseconds on_processor() const {
        return on_processor_;
    }

    [[nodiscard]] bool post(int nicer_by) {
        nicer_by_ = nicer_by;
        return ngx_thread_task_post(threads_, &thread_task_) == NGX_OK;
    }

    void forget_waiter() {
        waiter_->job = nullptr;
        waiter_ = nullptr;
    }
    void wake() {
        if (PasswordWaiter* waiter = waiter_; waiter != nullptr) {
            forget_waiter();
            waiter->wake(waiter->data, verdict_);
        }
    }

  private:
    // Runs the check on a new thread, because a thread of the pool could not
    // reset its niceness for whoever uses it next.
    static void on_thread(void* data, ngx_log_t* log) noexcept {
        auto& job = *static_cast<PasswordJob*>(data);
        // A fast shutdown sends no more responses, and waits for this thread.
        if (ngx_terminate) {
            job.computed_ = true;
            return;
        }
        auto compute = [&job, log] { guarded(log, [&job] { job.compute(); }); };
        guarded(log, [&] {
            try {
                std::thread([&job, &compute] {
                    yield_to_event_loop(job.nicer_by_);
                    compute();
                }).join();
            } catch (const std::system_error&) {
                compute();  // no thread: slow others down, but do not refuse
            }
        });
        job.computed_ = true;
    }

    void compute() {
        const auto begun = std::chrono::steady_clock::now();
        const auto before = processor_time();
        check();
        on_processor_ = processor_time() - before;
        took_ = std::chrono::steady_clock::now() - begun;
    }

    void check() {
        const phoenix::Secret password = std::move(task_.password);
        verdict_.check =
            phoenix::check_password(task_.hash, password.view(), task_.dummy);
        if (verdict_.check == phoenix::PasswordCheck::matches && task_.rehash &&
            phoenix::needs_rehash(*task_.hash, *task_.rehash)) {
            verdict_.new_hash =
                phoenix::hash_argon2id(password.view(), *task_.rehash);
        }
    }

    PasswordChecks& checks_;
    PasswordTask task_;
    PasswordVerdict verdict_;
    int nicer_by_ = 0;
    std::chrono::nanoseconds took_{};
    std::chrono::nanoseconds on_processor_{};
    State state_ = State::waiting;
    std::size_t most_running_;
    ngx_thread_pool_t* threads_;
    PasswordWaiter* waiter_;  // null: the request has ended
    ngx_thread_task_t thread_task_{};
    std::atomic<bool> computed_ = false;
};

PasswordChecks::PasswordChecks(ngx_log_t* log) {
    dummy_.fd = static_cast<ngx_socket_t>(-1);
    dummy_.data = this;
    still_here_.data = &dummy_;
    still_here_.log = log;
    still_here_.handler = on_still_here;
}

// nginx has stopped the pool's threads by now. If it could not, jobs that they
// still work on are leaked: the process is about to exit.
PasswordChecks::~PasswordChecks() {
    if (still_here_.timer_set) {
        ngx_del_timer(&still_here_);
    }
    for (std::unique_ptr<PasswordJob>& job : running_) {
        if (!job->computed()) {
            (void)job.release();
        }
    }
}

PasswordPlace PasswordChecks::take_place(const PasswordLimits& limits) {
    const std::size_t most = limits.running + limits.queue;
    const std::size_t running = std::min(running_.size(), limits.running);
    return places_ + waiting_.size() + running < most ? PasswordPlace(places_)
                                                      : PasswordPlace();
}

PasswordChecks::Admission PasswordChecks::submit(PasswordTask&& task,
                                                 const PasswordLimits& limits,
                                                 ngx_thread_pool_t* threads,
                                                 PasswordWaiter& waiter) {
    Jobs one;
    one.push_back(std::make_unique<PasswordJob>(*this, std::move(task), limits,
                                                threads, waiter));
    PasswordJob& job = *one.front();
    if (waiting_.empty() && job.may_run_beside(running_.size())) {
        if (!start(job)) {
            return Admission::full;
        }
        running_.splice(running_.end(), one);
    } else if (waiting_.size() < limits.queue) {
        waiting_.splice(waiting_.end(), one);
    } else {
        return Admission::full;
    }
    waiter.job = &job;
    watch();
    return Admission::accepted;
}

void PasswordChecks::detach(PasswordWaiter& waiter) {
    if (waiter.job == nullptr) {
        return;
    }
    PasswordJob& job = *waiter.job;
    job.forget_waiter();
    if (job.state() == PasswordJob::State::waiting) {
        PasswordChecks& checks = job.checks();
        checks.waiting_.remove_if(
            [&](const auto& waiting) { return waiting.get() == &job; });
        checks.start_next();  // the others may have waited for this one
        checks.watch();
    }
}

bool PasswordChecks::start(PasswordJob& job) {
    if (!job.post(niceness_.of_next())) {
        return false;
    }
    job.enter(PasswordJob::State::running);
    return true;
}

// In the order of their arrival: a check that may not run yet holds up later
// ones, so that a location with a higher limit cannot starve others.
void PasswordChecks::start_next() {
    while (!waiting_.empty() &&
           waiting_.front()->may_run_beside(running_.size()) &&
           start(*waiting_.front())) {
        running_.splice(running_.end(), waiting_, waiting_.begin());
    }
}

void PasswordChecks::finish(PasswordJob& job) {
    Jobs ended;
    for (auto it = running_.begin(); it != running_.end(); ++it) {
        if (it->get() == &job) {
            ended.splice(ended.end(), running_, it);
            break;
        }
    }
    job.enter(PasswordJob::State::ended);
    niceness_.learn(job.took(), job.on_processor());
    count_latency(
        own_counters->check_latency,
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(job.took())
                .count()));
    start_next();
    // The pool takes none, and no running check is left whose end would try
    // again.
    if (running_.empty()) {
        while (!waiting_.empty()) {
            waiting_.front()->enter(PasswordJob::State::ended);
            ended.splice(ended.end(), waiting_, waiting_.begin());
        }
    }
    watch();
    // Waking a waiter may end another's request, which then only detaches.
    for (const std::unique_ptr<PasswordJob>& each : ended) {
        each->wake();
    }
}

// The timer does nothing, because a check always ends. But nginx waits for it
// before a worker shuts down.
void PasswordChecks::watch() {
    set_state(Counter::checks_running, running_.size());
    set_state(Counter::checks_waiting, waiting_.size());
    bool wanted = !waiting_.empty() || !running_.empty();
    if (wanted && !still_here_.timer_set) {
        ngx_add_timer(&still_here_, look_again_after);
    } else if (!wanted && still_here_.timer_set) {
        ngx_del_timer(&still_here_);
    }
}

void PasswordChecks::on_still_here(ngx_event_t* event) noexcept {
    auto* c = static_cast<ngx_connection_t*>(event->data);
    static_cast<PasswordChecks*>(c->data)->watch();
}

void PasswordChecks::on_finished(ngx_event_t* event) noexcept {
    auto& job = *static_cast<PasswordJob*>(event->data);
    PasswordChecks& checks = job.checks();
    guarded(checks.still_here_.log, [&] { checks.finish(job); });
}

}  // namespace sigra::nginx
