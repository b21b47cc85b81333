// Password checks on nginx's threads: a bounded number runs, a bounded number
// waits, the rest is refused.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "phoenix/password.hpp"

namespace sigra::nginx {

struct PasswordTask {
    std::optional<std::string> hash;  // none: no such user, or no password
    phoenix::Secret password;
    phoenix::Argon2Cost dummy;  // of the check in place of one that cannot be
    std::optional<phoenix::Argon2Cost> rehash;  // none: never
};

struct PasswordVerdict {
    phoenix::PasswordCheck check = phoenix::PasswordCheck::failed;
    std::string new_hash;  // to be stored; empty: the old one is good enough
};

class PasswordJob;

// One that waits for a verdict. Lives in the request's pool; its owner
// detaches it when the request goes first.
struct PasswordWaiter {
    void* data;
    void (*wake)(void* data, const PasswordVerdict& verdict) noexcept;
    PasswordJob* job;  // null: does not wait
};

// Of a login that is yet to submit its check, so that what is done for it
// before (its session, its user, an attempt that is counted) is not in vain.
// Given back when it is destroyed.
class PasswordPlace {
  public:
    PasswordPlace() = default;
    explicit PasswordPlace(std::size_t& taken) : taken_(&taken) { taken++; }
    PasswordPlace(PasswordPlace&& other) noexcept
        : taken_(std::exchange(other.taken_, nullptr)) {}
    PasswordPlace& operator=(PasswordPlace&& other) noexcept {
        std::swap(taken_, other.taken_);
        return *this;
    }
    ~PasswordPlace() { give_back(); }

    void give_back() noexcept {
        if (taken_ != nullptr) {
            (*std::exchange(taken_, nullptr))--;
        }
    }
    explicit operator bool() const { return taken_ != nullptr; }

  private:
    std::size_t* taken_ = nullptr;  // the worker's
};

// One for each worker: what runs and waits is counted over all locations, and
// each location's limits are asked of these counts.
class PasswordChecks {
  public:
    enum class Admission {
        accepted,
        full,  // 503; the task is wiped, and its waiter does not wait
    };

    explicit PasswordChecks(ngx_log_t* log);
    ~PasswordChecks();
    PasswordChecks(const PasswordChecks&) = delete;
    PasswordChecks& operator=(const PasswordChecks&) = delete;

    // A place for a check that is submitted later; none where there are as
    // many as may run and wait, those who hold a place included.
    [[nodiscard]] PasswordPlace take_place(const PasswordLimits& limits);

    // `waiter` is woken from the event loop, never from inside this call.
    // While a check waits or runs, the worker does not end gracefully.
    [[nodiscard]] Admission submit(PasswordTask&& task,
                                   const PasswordLimits& limits,
                                   ngx_thread_pool_t* threads,
                                   PasswordWaiter& waiter);

    // A check that still waits is dropped; one that runs ends unheard.
    static void detach(PasswordWaiter& waiter);

  private:
    friend class PasswordJob;
    using Jobs = std::list<std::unique_ptr<PasswordJob>>;

    static void on_finished(ngx_event_t* event) noexcept;
    static void on_still_here(ngx_event_t* event) noexcept;

    bool start(PasswordJob& job);
    void start_next();
    void finish(PasswordJob& job);
    void watch();

    // Own their jobs. A thread works on one that runs until its event.
    Jobs waiting_;
    Jobs running_;
    std::size_t places_ = 0;  // taken, their checks not submitted yet
    ngx_connection_t dummy_{};
    ngx_event_t still_here_{};
};

}  // namespace sigra::nginx
