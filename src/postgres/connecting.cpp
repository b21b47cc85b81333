#include "postgres/connecting.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sigra::postgres {
namespace {

void discard_notice(void*, const PGresult*) noexcept {}

}  // namespace

Connecting::Connecting(Reactor& reactor, ConnInfo& conninfo,
                       Milliseconds timeout, Done done)
    : reactor_(reactor),
      conninfo_(conninfo),
      timeout_(timeout),
      done_(std::move(done)),
      timer_(reactor.timer([this] { fail("timeout expired"); }, false)),
      finished_(reactor.posted([this] { finish(); })) {}

void Connecting::start() {
    timer_->start(timeout_);
    if (!conninfo_.error().empty()) {
        fail(conninfo_.error());
        return;
    }
    const auto names = conninfo_.names();
    unresolved_ = names.size();
    for (const std::string& name : names) {
        resolve(name);
    }
    if (names.empty()) {
        open();
    }
}

void Connecting::cancel() noexcept {
    step_ = Step::cancelled;
    resolutions_.clear();
    timer_->stop();
    watch_.reset();
    conn_.reset();
}

void Connecting::resolve(const std::string& name) {
    auto resolution =
        reactor_.resolve(name, [this, name](std::vector<std::string> addresses,
                                            const std::string& error) {
            resolved(name, std::move(addresses), error);
        });
    if (!resolution) {
        fail("could not start to resolve \"" + name + "\"");
        return;
    }
    resolutions_.push_back(std::move(resolution));
}

void Connecting::resolved(const std::string& name,
                          std::vector<std::string> addresses,
                          const std::string& error) {
    if (step_ != Step::resolving) {
        return;
    }
    unresolved_--;
    auto& known = addresses_[name];
    for (std::string& address : addresses) {
        if (std::find(known.begin(), known.end(), address) == known.end()) {
            known.push_back(std::move(address));
        }
    }
    if (known.empty()) {
        error_ += (error_.empty() ? "" : "; ") +
                  ("could not resolve \"" + name + "\": " + error);
    }
    if (unresolved_ == 0) {
        open();
    }
}

void Connecting::open() {
    const Parameters parameters = conninfo_.parameters(addresses_);
    if (parameters.empty()) {
        fail(error_);
        return;
    }
    step_ = Step::polling;
    conn_ = start_connection(parameters);
    if (!conn_) {
        fail("out of memory");
        return;
    }
    // An error's DETAIL and a notice may hold values.
    PQsetErrorVerbosity(conn_.get(), PQERRORS_TERSE);
    PQsetNoticeReceiver(conn_.get(), discard_notice, nullptr);
    if (PQstatus(conn_.get()) == CONNECTION_BAD) {
        refused();
        return;
    }
    wait_for(true);
}

void Connecting::on_io() {
    // The socket may be another one afterwards, even under the same number.
    watch_.reset();
    try {
        poll();
    } catch (...) {
        fail("out of memory");
    }
}

void Connecting::on_close_request() {
    fail("the loop wants its descriptors back");
}

void Connecting::poll() {
    switch (PQconnectPoll(conn_.get())) {
        case PGRES_POLLING_READING:
            wait_for(false);
            return;
        case PGRES_POLLING_WRITING:
            wait_for(true);
            return;
        case PGRES_POLLING_OK:
            if (PQsetnonblocking(conn_.get(), 1) != 0) {
                refused();
                return;
            }
            step_ = Step::finished;
            finished_->schedule();
            return;
        default:
            refused();
    }
}

void Connecting::wait_for(bool writing) {
    const int socket = PQsocket(conn_.get());
    if (socket >= 0) {
        watch_ = reactor_.watch(socket, *this);
    }
    if (!watch_ || !watch_->want(!writing, writing)) {
        fail("the event loop has no place for a connection");
    }
}

void Connecting::refused() {
    const char* message = PQerrorMessage(conn_.get());
    // What pgbouncer says.
    if (std::strstr(message, "unsupported startup parameter") &&
        conninfo_.refuse_options()) {
        conn_.reset();
        open();
        return;
    }
    std::string error = one_line(message);
    if (!error_.empty()) {
        error = error_ + "; " + error;
    }
    fail(error);
}

void Connecting::fail(std::string_view error) noexcept {
    if (step_ == Step::finished || step_ == Step::cancelled) {
        return;
    }
    step_ = Step::finished;
    try {
        error_ = error;
    } catch (...) {
        error_.clear();
    }
    timer_->stop();
    watch_.reset();
    conn_.reset();
    finished_->schedule();
}

void Connecting::finish() {
    if (step_ != Step::finished) {
        return;
    }
    resolutions_.clear();
    timer_->stop();
    if (conn_ && !error_.empty()) {
        try {
            reactor_.log(LogLevel::warn, error_);
        } catch (...) {
            // The connection matters more.
        }
        error_.clear();
    }
    done_(std::move(conn_), std::move(error_));
}

}  // namespace sigra::postgres
