#include "postgres/connecting.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace sigra::postgres {
namespace {

void discard_notice(void*, const PGresult*) noexcept {}

void append(std::string& list, std::string_view text) {
    if (list.find(text) == std::string::npos) {
        list += (list.empty() ? "" : "; ") + std::string(text);
    }
}

// The beginning of libpq's own messages about an address.
std::string at(const Endpoint& endpoint) {
    const bool numeric =
        endpoint.hostaddr.empty() || endpoint.hostaddr == endpoint.host;
    return "connection to server at \"" + endpoint.host + "\"" +
           (numeric ? "" : " (" + endpoint.hostaddr + ")") + ", port " +
           endpoint.port;
}

}  // namespace

Connecting::Connecting(Reactor& reactor, ConnInfo& conninfo,
                       Milliseconds timeout, Done done)
    : reactor_(reactor),
      conninfo_(conninfo),
      timeout_(timeout),
      done_(std::move(done)),
      timer_(reactor.timer([this] { expired(); }, false)),
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
        append(unresolved_names_,
               "could not resolve \"" + name + "\": " + error);
    }
    if (unresolved_ == 0) {
        open();
    }
}

void Connecting::open() {
    attempts_ =
        conninfo_.attempts(addresses_, [this] { return reactor_.random(); });
    step_ = Step::polling;
    at_ = 0;
    begin_next();
}

// Starts the next attempt that does not fail at once.
void Connecting::begin_next() {
    while (at_ < attempts_.size()) {
        if (begin()) {
            return;
        }
    }
    std::string error = unresolved_names_;
    append(error, missed_);
    fail(error);
}

// Returns false if the attempt failed and the next one should begin.
bool Connecting::begin() {
    conn_ = start_connection(conninfo_.parameters(attempts_[at_]));
    if (!conn_) {
        throw std::bad_alloc();
    }
    // The DETAIL of an error and a notice may show values.
    PQsetErrorVerbosity(conn_.get(), PQERRORS_TERSE);
    PQsetNoticeReceiver(conn_.get(), discard_notice, nullptr);
    if (PQstatus(conn_.get()) == CONNECTION_BAD) {
        refused();
        return false;
    }
    timer_->start(timeout_);
    wait_for(true);
    return true;
}

void Connecting::on_io() {
    // libpq may open another socket, even with the same number.
    watch_.reset();
    try {
        poll();
    } catch (...) {
        fail("out of memory");
    }
}

void Connecting::expired() {
    switch (step_) {
        case Step::resolving:
            fail("host names were not resolved in time");
            return;
        case Step::polling:
            try {
                missed(at(attempts_[at_].endpoint) +
                       " failed: timeout expired");
                begin_next();
            } catch (...) {
                fail("out of memory");
            }
            return;
        case Step::finished:
        case Step::cancelled:
            return;
    }
}

void Connecting::on_close_request() {
    fail("closed at the request of the event loop");
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
                break;
            }
            endpoint_ = attempts_[at_].endpoint;
            conninfo_.worked(endpoint_);
            step_ = Step::finished;
            finished_->schedule();
            return;
        default:
            break;
    }
    refused();
    begin_next();
}

void Connecting::wait_for(bool writing) {
    const int socket = PQsocket(conn_.get());
    if (socket >= 0) {
        watch_ = reactor_.watch(socket, *this);
    }
    if (!watch_ || !watch_->want(!writing, writing)) {
        fail("the event loop has no free connection");
    }
}

// If the server refused only `options`, the same address is tried again without
// them; otherwise the next one.
void Connecting::refused() {
    const char* message = PQerrorMessage(conn_.get());
    // pgbouncer's message.
    if (std::strstr(message, "unsupported startup parameter") &&
        conninfo_.refuse_options()) {
        conn_.reset();
        return;
    }
    missed(one_line(message));
}

// Records the error and moves to the next address, whatever the error was.
void Connecting::missed(std::string_view error) {
    append(missed_, error);
    watch_.reset();
    conn_.reset();
    at_++;
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
    if (conn_) {
        log_others();
    }
    done_(std::move(conn_), std::move(error_));
}

// Logs the errors of the addresses that were tried before the one that works.
void Connecting::log_others() noexcept {
    try {
        if (!unresolved_names_.empty()) {
            reactor_.log(LogLevel::warn, unresolved_names_);
        }
        if (!missed_.empty()) {
            reactor_.log(LogLevel::notice, missed_);
        }
    } catch (...) {
        // Out of memory: the connection is kept, without a log line.
    }
}

}  // namespace sigra::postgres
