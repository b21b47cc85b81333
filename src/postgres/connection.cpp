#include "postgres/connection.hpp"

#include <unistd.h>

#include <iterator>
#include <random>
#include <utility>

namespace sigra::postgres {
namespace {

// Behind a pooler, clients share a server session. If two of them used the same
// name for a statement, one would execute the other's, and that would decide
// who is logged in.
std::string unique_prefix() {
    std::random_device random;
    return "sigra_" + std::to_string(getpid()) + "_" +
           std::to_string(random()) + std::to_string(random());
}

void log_notice(void* reactor, const PGresult* result) noexcept {
    try {
        static_cast<Reactor*>(reactor)->log(
            LogLevel::debug,
            "server: " + error_field(result, PG_DIAG_SQLSTATE) + " " +
                error_field(result, PG_DIAG_MESSAGE_PRIMARY));
    } catch (...) {
    }
}

}  // namespace

Connection::Connection(Reactor& reactor, ConnectionOwner& owner,
                       ConnInfo& conninfo)
    : reactor_(reactor),
      owner_(owner),
      era_(owner.era()),
      connecting_(reactor, conninfo, owner.options().connect_timeout,
                  [this](ConnPtr conn, const std::string& error) {
                      try {
                          connected(std::move(conn), error);
                      } catch (...) {
                          lose("out of memory");
                      }
                  }),
      patience_(reactor.timer(
          [this] { lose("no answer from the server in time"); }, false)),
      watchdog_(reactor.timer([this] { watched(); }, false)),
      name_prefix_(unique_prefix()) {}

void Connection::start() {
    progressed_at_ = reactor_.now();
    connecting_.start();
}

void Connection::connected(ConnPtr conn, const std::string& error) {
    if (!conn) {
        lose(error);
        return;
    }
    conn_ = std::move(conn);
    PQsetNoticeReceiver(conn_.get(), log_notice, &reactor_);
    watch_ = reactor_.watch(PQsocket(conn_.get()), *this);
    if (!watch_ || !watch_->want(true, false) ||
        PQenterPipelineMode(conn_.get()) != 1) {
        lose("the event loop has no free connection");
        return;
    }
    life_ = Life::preparing;
    if (!settle_in()) {
        lose_to_libpq();
        return;
    }
    if (!introduce()) {
        lose_to_libpq();
        return;
    }
    patience_->start(owner_.options().timeout);
    for (std::size_t i = 0; i < owner_.layouts().size(); i++) {
        if (life_ == Life::preparing) {
            look(i);
        }
    }
    settle();
}

// Asks for the identity of the server.
bool Connection::introduce() {
    const std::string sql = "SELECT " + std::string(identity_columns());
    expect({.kind = Entry::Kind::identity});
    return PQsendQueryParams(conn_.get(), sql.c_str(), 0, nullptr, nullptr,
                             nullptr, nullptr, 0) == 1 &&
           sync();
}

void Connection::on_io() {
    try {
        pump();
    } catch (...) {
        lose("out of memory");
    }
}

void Connection::on_close_request() {
    if (idle()) {
        give_up("closed at the request of the event loop");
    }
}

void Connection::pump() {
    const bool tls = PQsslInUse(conn_.get()) == 1;
    bool readable = true;
    std::size_t taken = 0;
    do {
        readable = PQconsumeInput(conn_.get()) == 1;
        if (readable && !flush()) {
            return;
        }
        taken = take_all();
        if (life_ == Life::lost) {
            return;
        }
        // Bytes that OpenSSL has decrypted but libpq has not read do not make
        // the socket readable.
    } while (tls && readable && taken > 0 && !inflight_.empty());
    if (!readable || PQstatus(conn_.get()) == CONNECTION_BAD) {
        lose_to_libpq();
        return;
    }
    while (PGnotify* notify = PQnotifies(conn_.get())) {
        PQfreemem(notify);
    }
    settle();
}

// Returns how many results there were.
std::size_t Connection::take_all() {
    std::size_t taken = 0;
    bool ended = false;  // one NULL ends a query, a second one: no results
    while (life_ != Life::lost && PQisBusy(conn_.get()) == 0) {
        const ResultPtr result(PQgetResult(conn_.get()));
        if (result) {
            ended = false;
            taken++;
            take(result.get());
        } else if (ended || inflight_.empty()) {
            break;
        } else {
            ended = true;
        }
    }
    return taken;
}

bool Connection::flush() {
    const int rc = PQflush(conn_.get());
    if (rc < 0) {
        lose_to_libpq();
        return false;
    }
    const bool wants_write = rc == 1;
    if (wants_write != wants_write_) {
        wants_write_ = wants_write;
        if (!watch_->want(true, wants_write)) {
            lose("the event loop refused to watch the connection");
            return false;
        }
    }
    return true;
}

// Called after something was sent or received.
void Connection::settle() {
    if (life_ == Life::lost || !flush()) {
        return;
    }
    if (inflight_.empty()) {
        work_ = Work::lookup;
    }
    if (life_ == Life::preparing && looking_ == 0 && inflight_.empty()) {
        life_ = Life::open;
        patience_->stop();
        owner_.opened(*this);
    }
    if (retired() && queries_ == 0) {
        retire();
        return;
    }
    watch();
    if (marked_idle_ != inflight_.empty()) {
        marked_idle_ = inflight_.empty();
        watch_->set_idle(marked_idle_);
    }
    owner_.progressed(*this);
}

void Connection::retire() noexcept {
    if (queries_ == 0) {
        lose("replaced by a new connection");
    }
}

void Connection::lose_to_libpq() noexcept {
    try {
        lose(one_line(PQerrorMessage(conn_.get())));
    } catch (...) {
        lose("out of memory");
    }
}

void Connection::lose(std::string_view reason) noexcept {
    if (life_ == Life::lost) {
        return;
    }
    was_open_ = life_ == Life::open;
    life_ = Life::lost;
    connecting_.cancel();
    patience_->stop();
    watchdog_->stop();
    if (watch_ && PQsocket(conn_.get()) < 0) {
        watch_->descriptor_closed();
    }
    watch_.reset();
    inflight_.splice(inflight_.begin(), executed_);
    owner_.lost(*this, inflight_, reason);
    inflight_.clear();
    queries_ = 0;
    conn_.reset();
}

}  // namespace sigra::postgres
