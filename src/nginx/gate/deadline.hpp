// A timer that limits how long one operation of a request may take.
#pragma once

#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Owned by the operation, which must not move while the timer is set. The timer
// is not cancelable, so that a worker that shuts down still answers requests
// that wait.
class Deadline {
  public:
    using Passed = void (*)(void* owner) noexcept;

    // `passed` is called from the event loop, outside of the request's
    // handlers, and must run posted requests itself.
    Deadline(ngx_http_request_t* r, void* owner, Passed passed)
        : owner_(owner), passed_(passed) {
        event_.data = r->connection;  // which nginx's debug log reads
        event_.log = r->connection->log;
        event_.handler = on_event;
    }
    ~Deadline() { stop(); }
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    void start(ngx_msec_t delay) { ngx_add_timer(&event_, delay); }
    void stop() noexcept {
        if (event_.timer_set) {
            ngx_del_timer(&event_);
        }
    }

  private:
    static void on_event(ngx_event_t* event) noexcept {
        static_assert(std::is_standard_layout_v<Deadline>);
        auto* self = reinterpret_cast<Deadline*>(event);
        self->passed_(self->owner_);
    }

    ngx_event_t event_{};  // first: on_event() casts its address
    void* owner_;
    Passed passed_;
};

}  // namespace sigra::nginx
