// One operation's wait for what the database says of a request's token.
#pragma once

#include "nginx/gate/deadline.hpp"
#include "nginx/gate/lookup.hpp"
#include "nginx/gate/visit.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

// Owned by the operation that asks, and nobody else's. Its answer is the
// visit's verdict.
class Question {
  public:
    // Goes on with the operation when the answer is there, or its deadline has
    // passed, which is an answer: from the event loop, outside of the request's
    // handlers.
    using Resume = void (*)(void* owner) noexcept;

    Question(Visit& visit, void* owner, Resume resume);
    ~Question() { leave(); }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    // True: the verdict waits. False: it is answered, for nobody can be asked.
    [[nodiscard]] bool ask();

    // Nothing of the answer reaches the operation any more.
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
// pool does, whose answer says more.
[[nodiscard]] ngx_msec_t patience(const Source& source);

// For a phase handler, which returns NGX_AGAIN where this is true: the phases
// run again when the answer is there. False: it is answered.
[[nodiscard]] bool ask_in_phases(Visit& visit);

// A phase handler that waits returns NGX_AGAIN after the one; who has what it
// waits for calls the other, outside of the request's own handlers.
void wait_in_phases(ngx_http_request_t* r);
void run_phases_again(ngx_http_request_t* r);

}  // namespace sigra::nginx
