// Waits for the lookup of a request's token on behalf of one operation.
#pragma once

#include "nginx/gate/deadline.hpp"
#include "nginx/gate/lookup.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Owned by the operation that asks, and by nobody else. The answer goes into
// the visit's verdict.
class Question {
  public:
    // Called when the answer is there, or when the deadline has passed and the
    // verdict says so: from the event loop, outside of the request's handlers.
    using Resume = void (*)(void* owner) noexcept;

    Question(Visit& visit, void* owner, Resume resume);
    ~Question() { leave(); }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    // True: the lookup was sent. False: there is no pool to send it to, and the
    // verdict says so already.
    [[nodiscard]] bool ask();

    // Stops waiting: `resume` will not be called.
    void leave() noexcept;

  private:
    static void woken(void* data, const LookupResult& result) noexcept;
    void take(const LookupResult& result);

    Visit& visit_;
    void* owner_;
    Resume resume_;
    Waiter waiter_{};
    Deadline deadline_;
};

// How long a request waits for its database at most: a little longer than the
// pool's timeout, because the pool's answer tells the cause.
[[nodiscard]] ngx_msec_t patience(const Source& source);

// For phase handlers. True: the handler returns NGX_AGAIN, and the phases run
// again when the answer is there. False: the verdict has an answer already.
[[nodiscard]] bool ask_in_phases(Visit& visit);

// While a request waits, it ends with 499 if its client closes the connection.
void watch_client(ngx_http_request_t* r);
// It goes on without its client.
void ignore_client(ngx_http_request_t* r);
// A phase handler that has to wait calls watch_client() and returns NGX_AGAIN.
// Once there is what it waits for, run_phases_again() is called from outside of
// the request's handlers.
void run_phases_again(ngx_http_request_t* r);

}  // namespace sigra::nginx
