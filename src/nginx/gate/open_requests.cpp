#include "nginx/gate/open_requests.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "nginx/counters.hpp"
#include "nginx/gate/facts.hpp"
#include "nginx/gate/gate.hpp"
#include "nginx/gate/token.hpp"
#include "nginx/worker.hpp"

namespace sigra::nginx {
namespace {

using postgres::Milliseconds;

// How many are looked up again at once. New requests should not have to wait
// behind all of them.
constexpr std::size_t max_asking = 64;
constexpr Milliseconds retry_after{1000};
constexpr std::int64_t max_timer_ms = 60 * 60 * 1000;

std::uint64_t front_of(std::string_view hash) {
    std::uint64_t front = 0;
    std::memcpy(&front, hash.data(), sizeof(front));
    return front;
}

std::string_view hash_of(const OpenRequest& open) {
    return {open.key.token_hash.data(), open.key.token_hash.size()};
}

std::int64_t left_ms(const OpenRequest& open) {
    const LookedUp& found = open.found;
    return ttl_ms(*open.conf, *open.source, found) - found.now(found.age_ms);
}

// On HTTP/2 r->connection is the stream, so other streams stay open.
void end(ngx_http_request_t* r) {
    ngx_connection_t* c = r->connection;
    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "auth_sigra: the session has ended, its request is closed");
    c->error = 1;
    // The cleanup of an upstream drops a reference. If it were the last one,
    // nginx would keep the connection alive, or free the request while it is
    // still being terminated.
    r->main->count++;
    ngx_http_finalize_request(r, NGX_HTTP_CLOSE);
    ngx_http_run_posted_requests(c);
}

// Variables of auth_sigra_require can be evaluated for a running request only.
// Where the email or the attributes have changed, this request ends, and the
// client's next one is judged by the new values.
Standing standing_now(const OpenRequest& open, const LookupResult& result) {
    const Rules* rules = open.conf->rules;
    if (rules == nullptr) {
        return Standing::may;
    }
    if (!rules->variables.empty() &&
        (open.attributes != result.attributes ||
         view(open.found.identity.email) != result.row.email)) {
        return Standing::may_not;
    }
    return standing(*rules, result.row.met, result.row.judged,
                    result.row.readable);
}

}  // namespace

OpenRequests::OpenRequests(Worker& worker, postgres::Reactor& reactor)
    : worker_(worker),
      reactor_(reactor),
      end_(reactor.posted([this] { end_all(); })),
      ask_(reactor.posted([this] { ask(); })),
      retry_(reactor.timer([this] { ask(); }, /*keeps_alive=*/false)) {}

// The worker destroys its lookups first, so no waiter is woken any more.
OpenRequests::~OpenRequests() = default;

void OpenRequests::add(Visit& visit, const LocationConf& conf) {
    forget(visit);
    if (!watch(visit)) {
        throw std::bad_alloc();
    }
    resting_.emplace_back();
    OpenRequest& open = resting_.back();
    open.list = &resting_;
    open.self = std::prev(resting_.end());
    try {
        open.owner = this;
        open.visit = &visit;
        open.conf = &conf;
        open.key = key_of(visit.verdict);
        open.source = visit.verdict.source;
        open.stored = stored_token(visit.verdict);
        open.found = visit.verdict.looked_up;
        open.attributes = view(open.found.attributes);
        open.waiter = {};
        open.doubted = false;
        open.expiry = reactor_.timer([this, &open] { expired(open); },
                                     /*keeps_alive=*/false);
        by_token_.emplace(front_of(hash_of(open)), &open);
    } catch (...) {
        resting_.pop_back();
        throw;
    }
    visit.open = &open;
    schedule_expiry(open);
    if (visit.verdict.looked_up.at != ngx_current_msec) {
        enqueue(open);
    }
}

void OpenRequests::forget(Visit& visit) {
    OpenRequest* open = std::exchange(visit.open, nullptr);
    if (open == nullptr) {
        return;
    }
    Lookup::detach(open->waiter);
    auto [it, last] = by_token_.equal_range(front_of(hash_of(*open)));
    while (it != last && it->second != open) {
        ++it;
    }
    if (it != last) {
        by_token_.erase(it);
    }
    open->list->erase(open->self);
    if (!queued_.empty()) {
        ask_->schedule();
    }
}

void OpenRequests::move(OpenRequest& open, List& to) {
    to.splice(to.end(), *open.list, open.self);
    open.list = &to;
}

// The lifetime of a session may be months, which would overflow the timer: it
// is set for an hour at most, and then again.
void OpenRequests::schedule_expiry(OpenRequest& open) {
    open.expiry->start(
        Milliseconds(std::clamp<std::int64_t>(left_ms(open), 1, max_timer_ms)));
}

void OpenRequests::expired(OpenRequest& open) {
    if (left_ms(open) <= 0) {
        end_later(open);
    } else {
        schedule_expiry(open);
    }
}

void OpenRequests::revoked_token(std::string_view hash) {
    auto [it, last] = by_token_.equal_range(front_of(hash));
    for (; it != last; ++it) {
        if (hash_of(*it->second) == hash) {
            end_later(*it->second);
        }
    }
}

void OpenRequests::revoked_user(std::string_view id) {
    for (auto& [front, open] : by_token_) {
        if (view(open->found.identity.user_id) == id) {
            enqueue(*open);
        }
    }
}

void OpenRequests::doubt(const ChannelConf* channel) {
    for (auto& [front, open] : by_token_) {
        if (channel == nullptr || open->conf->listened == channel) {
            enqueue(*open);
        }
    }
}

void OpenRequests::enqueue(OpenRequest& open) {
    if (open.list == &asking_) {
        open.doubted = true;
    } else if (open.list == &resting_) {
        move(open, queued_);
        ask_->schedule();
    }
}

void OpenRequests::end_later(OpenRequest& open) {
    Lookup::detach(open.waiter);
    move(open, ending_);
    end_->schedule();
}

void OpenRequests::end_all() {
    while (!ending_.empty()) {
        Visit& visit = *ending_.front().visit;
        count(left_ms(ending_.front()) <= 0 ? Counter::closed_expired
                                            : Counter::closed_revoked);
        forget(visit);
        end(visit.request);
    }
}

void OpenRequests::ask() {
    while (!queued_.empty() && asking_.size() < max_asking) {
        OpenRequest& open = queued_.front();
        try {
            ask(open);
        } catch (const std::bad_alloc&) {
            move(open, queued_);
            retry_->start(retry_after);
            return;
        }
    }
}

void OpenRequests::ask(OpenRequest& open) {
    postgres::Pool* pool = worker_.pool(*open.source->database);
    if (pool == nullptr) {
        end_later(open);
        return;
    }
    move(open, asking_);
    open.doubted = false;
    open.waiter.data = &open;
    open.waiter.wake = answered;
    worker_.lookup().ask(*pool, *open.source, open.key, open.stored,
                         open.waiter);
}

void OpenRequests::answered(void* data, const LookupResult& result) noexcept {
    auto& open = *static_cast<OpenRequest*>(data);
    guarded(ngx_cycle->log, [&] { open.owner->take(open, result); });
}

void OpenRequests::take(OpenRequest& open, const LookupResult& result) {
    switch (result.state) {
        case LookupResult::State::absent:
            end_later(open);
            break;
        case LookupResult::State::no_answer:
            // The session passed before and is not known to have ended: try
            // later.
            move(open, queued_);
            retry_->start(retry_after);
            return;
        case LookupResult::State::found: {
            const Standing now = standing_now(open, result);
            if (now == Standing::may_not) {
                end_later(open);
                break;
            }
            if (now == Standing::not_known) {
                move(open, queued_);
                retry_->start(retry_after);
                return;
            }
            open.found.at = result.at;
            open.found.age_ms = result.row.age_ms;
            open.found.remember_me_row = result.row.remember_me;
            move(open, resting_);
            if (open.doubted) {
                enqueue(open);
            }
            expired(open);
            break;
        }
    }
    ask_->schedule();
}

}  // namespace sigra::nginx
