#include "nginx/gate/question.hpp"

#include "nginx/debug.hpp"
#include "nginx/gate/gate.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {

ngx_msec_t patience(const Source& source) {
    const auto timeout =
        static_cast<ngx_msec_t>(source.database->options.timeout.count());
    return timeout + timeout / 4;
}

Question::Question(Visit& visit, void* owner, Resume resume)
    : visit_(visit),
      owner_(owner),
      resume_(resume),
      deadline_(visit.request, this, [](void* data) noexcept {
          LookupResult late;
          late.at = ngx_current_msec;
          late.failure = postgres::Status::timeout;
          auto* self = static_cast<Question*>(data);
          Lookup::detach(self->waiter_);
          self->take(late);
      }) {
    waiter_.data = this;
    waiter_.wake = woken;
}

bool Question::ask() {
    Verdict& verdict = visit_.verdict;
    Worker* w = worker();
    postgres::Pool* pool =
        w == nullptr ? nullptr : w->pool(*verdict.source->database);
    if (pool == nullptr) {
        verdict.step = Verdict::Step::answered;
        verdict.looked_up.state = LookupResult::State::no_answer;
        verdict.looked_up.failure = postgres::Status::unavailable;
        return false;
    }
    w->lookup().ask(*pool, *verdict.source, key_of(verdict),
                    stored_token(verdict), waiter_);
    verdict.step = Verdict::Step::waiting;
    if (debugs(visit_.request)) {
        debug(visit_.request, "PostgreSQL is asked for the session");
    }
    deadline_.start(patience(*verdict.source));
    return true;
}

void Question::leave() noexcept {
    deadline_.stop();
    if (!waiter_.waiting) {
        return;
    }
    Lookup::detach(waiter_);
    if (visit_.verdict.step == Verdict::Step::waiting) {
        visit_.verdict.step = Verdict::Step::read;
    }
}

void Question::woken(void* data, const LookupResult& result) noexcept {
    static_cast<Question*>(data)->take(result);
}

// The operation may destroy this question when it goes on.
void Question::take(const LookupResult& result) {
    deadline_.stop();
    take_result(visit_, result);
    resume_(owner_);
}

bool ask_in_phases(Visit& visit) {
    ngx_http_request_t* r = visit.request;
    ngx_http_cleanup_t* cleanup = ngx_http_cleanup_add(r, 0);
    auto* question =
        cleanup == nullptr
            ? nullptr
            : pool_make<Question>(r->pool, visit, r, [](void* owner) noexcept {
                  run_phases_again(static_cast<ngx_http_request_t*>(owner));
              });
    if (question == nullptr) {
        visit.verdict.step = Verdict::Step::answered;
        visit.verdict.looked_up.state = LookupResult::State::no_answer;
        return false;
    }
    cleanup->data = question;
    cleanup->handler = [](void* data) noexcept {
        static_cast<Question*>(data)->leave();
    };
    if (!question->ask()) {
        return false;
    }
    watch_client(r);
    return true;
}

// Nearly the same steps as in ngx_http_limit_req_handler(). If the client
// closed the connection before its request was read, epoll has reported both at
// once, and does so only once: the event is posted, or nobody would notice. A
// level-triggered method reports it again, and there the handler would remove
// an event that has nothing to report. If the event cannot be added, nobody
// notices that the client has left, which only delays the end.
void watch_client(ngx_http_request_t* r) {
    ngx_event_t* read = r->connection->read;
    if (!read->ready) {
        (void)ngx_handle_read_event(read, 0);
    } else if ((ngx_event_flags & NGX_USE_CLEAR_EVENT) != 0) {
        ngx_post_event(read, &ngx_posted_events);
    }
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}

void ignore_client(ngx_http_request_t* r) {
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_request_empty_handler;
}

// The same steps as in ngx_http_limit_req_delay().
void run_phases_again(ngx_http_request_t* r) {
    ngx_connection_t* c = r->connection;
    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }
    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}

}  // namespace sigra::nginx
