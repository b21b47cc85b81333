// Opens a connection without blocking: resolves the host names, then tries each
// address in turn with PQconnectPoll() until a server is ready for queries.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/conninfo.hpp"
#include "postgres/pq.hpp"
#include "postgres/reactor.hpp"

namespace sigra::postgres {

class Connecting final : private IoHandler {
  public:
    // Called with a connection in non-blocking mode, or null and the error. It
    // runs once, from the loop, and not after the attempt was cancelled or
    // destroyed. It must not destroy the attempt.
    using Done = std::function<void(ConnPtr conn, std::string error)>;

    // `conninfo` must outlive the attempt, which records in it which address
    // worked and whether the server accepts `options`. `timeout` applies to
    // each address, and to the resolving of all names.
    Connecting(Reactor& reactor, ConnInfo& conninfo, Milliseconds timeout,
               Done done);
    ~Connecting() { cancel(); }
    Connecting(const Connecting&) = delete;
    Connecting& operator=(const Connecting&) = delete;

    void start();
    // Closes what is open; `done` is not called any more.
    void cancel() noexcept;
    // Where the connection leads; only after `done` was called with one.
    [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
    // Where it leads or is being opened to; null while names are resolved.
    [[nodiscard]] const Endpoint* whereto() const {
        if (step_ == Step::polling && at_ < attempts_.size()) {
            return &attempts_[at_].endpoint;
        }
        return step_ == Step::finished ? &endpoint_ : nullptr;
    }

  private:
    enum class Step { resolving, polling, finished, cancelled };

    void on_io() override;
    void on_close_request() override;
    void resolve(const std::string& name);
    void resolved(const std::string& name, std::vector<std::string> addresses,
                  const std::string& error);
    void open();
    void begin_next();
    bool begin();
    void poll();
    void wait_for(bool writing);
    void expired();
    void refused();
    void missed(std::string_view error);
    void log_others() noexcept;
    void fail(std::string_view error) noexcept;
    void finish();

    Reactor& reactor_;
    ConnInfo& conninfo_;
    Milliseconds timeout_;
    Done done_;
    Step step_ = Step::resolving;
    std::vector<std::unique_ptr<Resolution>> resolutions_;
    std::size_t unresolved_ = 0;
    Addresses addresses_;
    Attempts attempts_;
    std::size_t at_ = 0;  // index into attempts_
    Endpoint endpoint_;
    std::string unresolved_names_;  // the errors of names, for the log
    std::string missed_;            // the errors of addresses, for the log
    std::string error_;
    ConnPtr conn_;
    std::unique_ptr<Watch> watch_;  // destroyed before the socket closes
    std::unique_ptr<Timer> timer_;
    std::unique_ptr<Posted> finished_;
};

}  // namespace sigra::postgres
