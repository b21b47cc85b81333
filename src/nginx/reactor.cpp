#include "nginx/reactor.hpp"

#include <netdb.h>
#include <sys/socket.h>

namespace sigra::nginx {
namespace {

using postgres::LogLevel;
using postgres::Milliseconds;

constexpr ngx_socket_t no_socket = static_cast<ngx_socket_t>(-1);

class NgxWatch final : public postgres::Watch {
  public:
    NgxWatch(ngx_connection_t* c, postgres::IoHandler& handler)
        : c_(c), handler_(handler) {
        c_->data = this;
        c_->read->handler = c_->write->handler = on_event;
        c_->read->log = c_->write->log = c_->log;
    }

    // In nginx's order: the events, then the connection while c->fd is still
    // the index of its slot, then c->fd.
    ~NgxWatch() override {
        drop(c_->read, NGX_READ_EVENT, 0);
        drop(c_->write, NGX_WRITE_EVENT, 0);
        c_->idle = 0;
        ngx_free_connection(c_);
        c_->fd = no_socket;
    }

    bool want(bool read, bool write) override {
        return set(c_->read, NGX_READ_EVENT, read) &&
               set(c_->write, NGX_WRITE_EVENT, write);
    }

    // The kernel has already forgotten the descriptor when it was closed.
    void descriptor_closed() override {
        drop(c_->read, NGX_READ_EVENT, NGX_CLOSE_EVENT);
        drop(c_->write, NGX_WRITE_EVENT, NGX_CLOSE_EVENT);
    }

    void set_idle(bool idle) override { c_->idle = idle ? 1 : 0; }

  private:
    static void on_event(ngx_event_t* event) noexcept {
        auto* c = static_cast<ngx_connection_t*>(event->data);
        auto* self = static_cast<NgxWatch*>(c->data);
        guarded(c->log, [&] {
            if (c->close) {
                c->close = 0;
                self->handler_.on_close_request();
            } else {
                self->handler_.on_io();
            }
        });
    }

    // Level-triggered, because libpq reads once per event and may leave data
    // behind.
    static bool set(ngx_event_t* event, ngx_int_t kind, bool wanted) {
        if (wanted == static_cast<bool>(event->active)) {
            return true;
        }
        return (wanted ? ngx_add_event(event, kind, NGX_LEVEL_EVENT)
                       : ngx_del_event(event, kind, 0)) == NGX_OK;
    }

    static void drop(ngx_event_t* event, ngx_int_t kind, ngx_uint_t flags) {
        if (event->active) {
            ngx_del_event(event, kind, flags);
        }
        if (event->posted) {
            ngx_delete_posted_event(event);
        }
    }

    ngx_connection_t* c_;  // from nginx's free list, given back at the end
    postgres::IoHandler& handler_;
};

// An event without a descriptor. nginx's debug log reads `data` as a
// connection, so it has one.
class Event {
  public:
    Event(ngx_log_t* log, std::function<void()> run) : run_(std::move(run)) {
        connection_.fd = no_socket;
        connection_.data = this;
        event_.data = &connection_;
        event_.log = log;
        event_.handler = on_event;
    }
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    ngx_event_t& get() { return event_; }

  private:
    static void on_event(ngx_event_t* event) noexcept {
        auto* c = static_cast<ngx_connection_t*>(event->data);
        auto* self = static_cast<Event*>(c->data);
        guarded(event->log, [&] { self->run_(); });
    }

    std::function<void()> run_;
    ngx_connection_t connection_{};
    ngx_event_t event_{};
};

class NgxTimer final : public postgres::Timer {
  public:
    NgxTimer(ngx_log_t* log, std::function<void()> fire, bool keeps_alive)
        : event_(log, std::move(fire)) {
        event_.get().cancelable = keeps_alive ? 0 : 1;
    }
    ~NgxTimer() override { stop(); }

    void start(Milliseconds delay) override {
        ngx_add_timer(&event_.get(), static_cast<ngx_msec_t>(delay.count()));
    }
    void stop() override {
        if (event_.get().timer_set) {
            ngx_del_timer(&event_.get());
        }
    }
    bool running() const override { return event_.get().timer_set; }

  private:
    mutable Event event_;
};

class NgxPosted final : public postgres::Posted {
  public:
    NgxPosted(ngx_log_t* log, std::function<void()> run)
        : event_(log, std::move(run)) {}
    ~NgxPosted() override {
        if (event_.get().posted) {
            ngx_delete_posted_event(&event_.get());
        }
    }
    void schedule() override {
        ngx_post_event(&event_.get(), &ngx_posted_events);
    }

  private:
    Event event_;
};

// The job of a thread that resolves a name. Owned by the thread pool from when
// it is posted until its event, which deletes it; the Resolution only refers to
// it.
struct ResolveJob {
    ngx_thread_task_t task{};
    std::string host;
    std::vector<std::string> addresses;
    std::string error;
    postgres::Reactor::Resolved done;  // empty: nobody waits any more
    ngx_log_t* log = nullptr;
};

void collect(ResolveJob& job, const addrinfo* found) {
    char text[NI_MAXHOST];
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof(text), nullptr,
                        0, NI_NUMERICHOST) == 0) {
            job.addresses.emplace_back(text);
        }
    }
}

void resolve_on_thread(void* data, ngx_log_t* log) noexcept {
    auto& job = *static_cast<ResolveJob*>(data);
    guarded(log, [&] {
        addrinfo hints{};
        hints.ai_socktype = SOCK_STREAM;
        addrinfo* found = nullptr;
        int rc = getaddrinfo(job.host.c_str(), nullptr, &hints, &found);
        if (rc != 0) {
            job.error = gai_strerror(rc);
            return;
        }
        collect(job, found);
        freeaddrinfo(found);
    });
}

void resolve_finished(ngx_event_t* event) noexcept {
    std::unique_ptr<ResolveJob> job(static_cast<ResolveJob*>(event->data));
    guarded(job->log, [&] {
        if (job->done) {
            auto done = std::move(job->done);
            done(std::move(job->addresses), std::move(job->error));
        }
    });
}

class NgxResolution final : public postgres::Resolution {
  public:
    // Null once the job is over: the job's callback clears it.
    struct Link {
        ResolveJob* job;
    };
    explicit NgxResolution(std::shared_ptr<Link> link)
        : link_(std::move(link)) {}
    ~NgxResolution() override {
        if (link_->job != nullptr) {
            link_->job->done = nullptr;
        }
    }

  private:
    std::shared_ptr<Link> link_;
};

ngx_uint_t level_of(LogLevel level) {
    switch (level) {
        case LogLevel::error:
            return NGX_LOG_ERR;
        case LogLevel::warn:
            return NGX_LOG_WARN;
        case LogLevel::notice:
            return NGX_LOG_NOTICE;
        case LogLevel::debug:
            return NGX_LOG_DEBUG;
    }
    return NGX_LOG_ERR;
}

}  // namespace

NgxReactor::NgxReactor(ngx_log_t* log, ngx_thread_pool_t* threads)
    : log_(log), threads_(threads) {}

std::unique_ptr<postgres::Watch> NgxReactor::watch(
    int descriptor, postgres::IoHandler& handler) {
    ngx_connection_t* c = ngx_get_connection(descriptor, log_);
    if (c == nullptr) {
        return nullptr;
    }
    c->log = log_;
    return std::make_unique<NgxWatch>(c, handler);
}

std::unique_ptr<postgres::Timer> NgxReactor::timer(std::function<void()> fire,
                                                   bool keeps_alive) {
    return std::make_unique<NgxTimer>(log_, std::move(fire), keeps_alive);
}

std::unique_ptr<postgres::Posted> NgxReactor::posted(
    std::function<void()> run) {
    return std::make_unique<NgxPosted>(log_, std::move(run));
}

std::unique_ptr<postgres::Resolution> NgxReactor::resolve(
    const std::string& host, Resolved done) {
    auto job = std::make_unique<ResolveJob>();
    auto link = std::make_shared<NgxResolution::Link>();
    job->host = host;
    job->log = log_;
    job->done = [link, done = std::move(done)](
                    std::vector<std::string> addresses, std::string error) {
        link->job = nullptr;
        done(std::move(addresses), std::move(error));
    };
    ngx_thread_task_t& task = job->task;
    link->job = job.get();
    task.ctx = job.get();
    task.handler = resolve_on_thread;
    task.event.data = job.get();
    task.event.handler = resolve_finished;
    if (ngx_thread_task_post(threads_, &task) != NGX_OK) {
        link->job = nullptr;
        return nullptr;
    }
    job.release();
    return std::make_unique<NgxResolution>(std::move(link));
}

Milliseconds NgxReactor::now() const {
    return Milliseconds(ngx_current_msec);
}

double NgxReactor::random() {
    return static_cast<double>(::random()) /
           (static_cast<double>(RAND_MAX) + 1.0);
}

void NgxReactor::log(LogLevel level, std::string_view message) {
    ngx_str_t text = as_ngx_str(message);
    if (level == LogLevel::debug) {
        ngx_log_debug1(NGX_LOG_DEBUG_EVENT, log_, 0, "auth_sigra: %V", &text);
        return;
    }
    ngx_log_error(level_of(level), log_, 0, "auth_sigra: %V", &text);
}

}  // namespace sigra::nginx
