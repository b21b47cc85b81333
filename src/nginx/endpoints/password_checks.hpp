// Password checks on nginx's threads. A limited number runs, a limited number
// waits, and others are refused.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/check_niceness.hpp"
#include "phoenix/crypto.hpp"
#include "phoenix/password.hpp"

namespace sigra::nginx {

struct PasswordTask {
    std::optional<std::string> hash;  // none: no such user, or no password
    phoenix::Secret password;
    phoenix::Argon2Cost dummy;  // cost where there is no hash to check
    std::optional<phoenix::Argon2Cost> rehash;  // none: never
};

struct PasswordVerdict {
    phoenix::PasswordCheck check = phoenix::PasswordCheck::failed;
    std::string new_hash;  // to be stored; empty: the old one stays
};

class PasswordJob;

// A request that waits for a verdict. Lives in the request's pool; its owner
// detaches it if the request ends first.
struct PasswordWaiter {
    void* data;
    void (*wake)(void* data, const PasswordVerdict& verdict) noexcept;
    PasswordJob* job;  // null: does not wait
};

// A place reserved for a login's check, so that the work before it (the lookups
// of session and user, the counting of the attempt) is not wasted. Given back
// when it is destroyed.
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

// One per worker. Running and waiting checks are counted over all locations,
// and each location compares its own limits with these counts.
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

    // Reserves a place for a check that is submitted later. Empty: as many as
    // may run and wait are there, reserved places included.
    [[nodiscard]] PasswordPlace take_place(const PasswordLimits& limits);

    // `waiter` is woken from the event loop, never from inside this call. The
    // worker does not shut down gracefully while a check waits or runs.
    [[nodiscard]] Admission submit(PasswordTask&& task,
                                   const PasswordLimits& limits,
                                   ngx_thread_pool_t* threads,
                                   PasswordWaiter& waiter);

    // A check that still waits is dropped; the result of one that runs is
    // ignored.
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

    // Own their jobs. A thread uses a running job until its event.
    Jobs waiting_;
    Jobs running_;
    std::size_t places_ = 0;  // reserved, their checks not submitted yet
    phoenix::CheckNiceness niceness_;
    ngx_connection_t dummy_{};
    ngx_event_t still_here_{};
};

}  // namespace sigra::nginx
