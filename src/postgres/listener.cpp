#include "postgres/listener.hpp"

#include <algorithm>
#include <utility>

#include "postgres/statements.hpp"

namespace sigra::postgres {
namespace {

constexpr Milliseconds complaint_interval{60000};

struct FreeNotify {
    void operator()(PGnotify* notify) const noexcept { PQfreemem(notify); }
};

// The value of a lower-case hex digit, or -1.
int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes 64 hex digits to 32 bytes; empty for any other text.
std::string read_hash(std::string_view text) {
    std::string hash;
    for (std::size_t i = 0; text.size() == 64 && i < 64; i += 2) {
        const int high = hex_value(text[i]);
        const int low = hex_value(text[i + 1]);
        if (high < 0 || low < 0) {
            return "";
        }
        hash += static_cast<char>(high * 16 + low);
    }
    return hash;
}

// Empty if the error is libpq's own.
std::string error_of(const PGresult* result) {
    const std::string sqlstate = error_field(result, PG_DIAG_SQLSTATE);
    return sqlstate.empty()
               ? ""
               : sqlstate + " " + error_field(result, PG_DIAG_MESSAGE_PRIMARY);
}

}  // namespace

Listener::Listener(Reactor& reactor, ListenerOptions options,
                   ListenerObserver& observer)
    : reactor_(reactor),
      options_(std::move(options)),
      observer_(observer),
      conninfo_(options_.conninfo, Milliseconds(0)),
      look_(look_for_triggers(options_.channel, options_.layouts)),
      look_sql_("SELECT l.*, " + std::string(identity_columns()) + " FROM (" +
                look_.sql + ") l"),
      backoff_(options_.max_reconnect_delay),
      clock_(reactor.timer([this] { on_clock(); }, false)) {}

Listener::~Listener() {
    *alive_ = false;
}

void Listener::start() {
    if (state_ == State::stopped) {
        connect();
    }
}

// The functions below that return bool return false if the connection was lost.
// The listener itself may have been destroyed then.

void Listener::on_io() {
    const std::shared_ptr<bool> alive = alive_;
    try {
        (void)pump();
    } catch (...) {
        if (*alive) {
            lose("out of memory");
        }
    }
}

void Listener::on_clock() {
    switch (state_) {
        case State::stopped:
        case State::connecting:
            return;
        case State::subscribing:
        case State::looking:
            lose("no answer from the server in time");
            return;
        case State::resting:
            look();
            return;
        case State::waiting:
            connect();
            return;
    }
}

std::optional<ConnectionFigure> Listener::connection() const {
    switch (state_) {
        case State::stopped:
        case State::waiting:
            return std::nullopt;
        case State::connecting:
        case State::subscribing:
        case State::looking:
        case State::resting:
            break;
    }
    const Endpoint* endpoint = connecting_->whereto();
    return ConnectionFigure{endpoint ? host_and_port(*endpoint) : "",
                            up_ ? ConnectionFigure::State::listening
                                : ConnectionFigure::State::connecting};
}

void Listener::connect() {
    try {
        backoff_.tried(reactor_.now());
        worked_ = false;
        relations_.clear();
        wants_write_ = false;
        connecting_ = std::make_unique<Connecting>(
            reactor_, conninfo_, options_.connect_timeout,
            [this](ConnPtr conn, const std::string& error) {
                connected(std::move(conn), error);
            });
        state_ = State::connecting;
        connecting_->start();
    } catch (...) {
        lose("out of memory");
    }
}

void Listener::connected(ConnPtr conn, const std::string& error) {
    if (!conn) {
        lose(error);
        return;
    }
    try {
        conn_ = std::move(conn);
        endpoint_ = connecting_->endpoint();
        watch_ = reactor_.watch(PQsocket(conn_.get()), *this);
        if (!watch_ || !watch_->want(true, false)) {
            lose("the event loop has no free connection");
            return;
        }
        subscribe();
    } catch (...) {
        lose("out of memory");
    }
}

void Listener::subscribe() {
    const std::string sql = "LISTEN " + quoted_identifier(options_.channel);
    state_ = State::subscribing;
    clock_->start(options_.connect_timeout);
    if (PQsendQuery(conn_.get(), sql.c_str()) != 1) {
        lose_to_libpq();
        return;
    }
    flush();
}

void Listener::look() {
    try {
        std::vector<const char*> values;
        for (const std::string& text : look_.parameters) {
            values.push_back(text.c_str());
        }
        state_ = State::looking;
        clock_->start(options_.ping_timeout);
        if (PQsendQueryParams(conn_.get(), look_sql_.c_str(),
                              static_cast<int>(values.size()), nullptr,
                              values.data(), nullptr, nullptr, 0) != 1) {
            lose_to_libpq();
            return;
        }
        flush();
    } catch (...) {
        lose("out of memory");
    }
}

bool Listener::pump() {
    const bool tls = PQsslInUse(conn_.get()) == 1;
    bool readable = true;
    std::size_t taken = 0;
    do {
        readable = PQconsumeInput(conn_.get()) == 1;
        if (readable && !flush()) {
            return false;
        }
        taken = 0;
        if (!hear(taken)) {
            return false;
        }
        while ((state_ == State::subscribing || state_ == State::looking) &&
               PQisBusy(conn_.get()) == 0) {
            taken++;
            ResultPtr result(PQgetResult(conn_.get()));
            if (result && answer_of(result.get()) == Answer::senseless) {
                return lose("unexpected result from the server");
            }
            if (result) {
                answer_ = std::move(result);
            } else if (!hear(taken) || !answered()) {
                return false;
            }
        }
        // Bytes that OpenSSL has already decrypted cause no read event.
    } while (tls && readable && taken > 0);
    if (!readable || PQstatus(conn_.get()) == CONNECTION_BAD) {
        return lose_to_libpq();
    }
    return true;
}

bool Listener::answered() {
    const ResultPtr answer = std::move(answer_);
    const ExecStatusType status = PQresultStatus(answer.get());
    if (state_ == State::subscribing && status == PGRES_COMMAND_OK) {
        look();
        return state_ == State::looking;
    }
    if (state_ == State::looking && status == PGRES_TUPLES_OK &&
        PQntuples(answer.get()) == 1 && PQnfields(answer.get()) == 5) {
        // Behind a pooler, the next client gets the session that listens.
        if (std::to_string(PQbackendPID(conn_.get())) !=
            PQgetvalue(answer.get(), 0, 0)) {
            return lose("LISTEN needs a connection without a pooler");
        }
        return is_still(read_identity(answer.get(), 3)) &&
               looked(PQgetvalue(answer.get(), 0, 1)) &&
               belongs(PQgetvalue(answer.get(), 0, 2));
    }
    const std::string error = error_of(answer.get());
    if (state_ == State::subscribing) {
        conninfo_.leave(endpoint_);  // a standby refuses LISTEN: try others
    }
    return error.empty() ? lose_to_libpq() : lose(error);
}

// Gives up a connection that leads to another server by now, or to one that no
// longer accepts writes: revocations are then committed elsewhere.
bool Listener::is_still(const Identity& identity) {
    if (!worked_) {
        identity_ = identity;
    }
    if (identity.server == identity_.server &&
        identity.read_only == identity_.read_only) {
        return true;
    }
    conninfo_.leave(endpoint_);
    return lose(identity.read_only
                    ? "the server no longer accepts writes"
                    : "the connection leads to another server now");
}

bool Listener::looked(const std::string& missing) {
    worked_ = true;
    backoff_.worked();
    if (!std::exchange(complaint_, "").empty()) {
        reactor_.log(LogLevel::notice, "revocation channel restored");
    }
    if (missing != missing_) {
        missing_ = missing;
        reactor_.log(missing.empty() ? LogLevel::notice : LogLevel::warn,
                     missing.empty()
                         ? "triggers for revocation found"
                         : "no triggers that notify \"" + options_.channel +
                               "\" on " + missing +
                               ": run examples/revocation.sql");
    }
    state_ = State::resting;
    clock_->start(options_.ping_interval);
    if (up_ == missing.empty()) {
        return true;
    }
    up_ = missing.empty();
    return tell([&] { up_ ? observer_.listening() : observer_.lost(); });
}

// No trigger fires when a partition or a child table is attached or detached.
// Its sessions appear or disappear, so everything counts as revoked.
bool Listener::belongs(const std::string& relations) {
    const std::string before = std::exchange(relations_, relations);
    return before.empty() || before == relations || !up_ ||
           tell([&] { observer_.revoked_all(); });
}

bool Listener::hear(std::size_t& heard) {
    while (conn_) {
        const std::unique_ptr<PGnotify, FreeNotify> notify(
            PQnotifies(conn_.get()));
        if (!notify) {
            return true;
        }
        heard++;
        if (!tell([&] { deliver(notify->extra); })) {
            return false;
        }
    }
    return false;
}

void Listener::deliver(std::string_view payload) {
    constexpr std::string_view user = "user:";
    if (payload == "*") {
        observer_.revoked_all();
    } else if (payload.starts_with(user) && payload.size() > user.size()) {
        observer_.revoked_user(payload.substr(user.size()));
    } else if (const std::string hash = read_hash(payload); !hash.empty()) {
        observer_.revoked_token(hash);
    } else {
        reactor_.log(LogLevel::debug,
                     "ignored a notification with an unknown payload");
    }
}

template <class Call>
bool Listener::tell(const Call& call) {
    const std::shared_ptr<bool> alive = alive_;
    try {
        call();
    } catch (...) {
        return *alive && lose("out of memory");
    }
    return *alive;
}

bool Listener::flush() {
    const int rc = PQflush(conn_.get());
    if (rc < 0) {
        return lose_to_libpq();
    }
    const bool wants_write = rc == 1;
    if (wants_write != wants_write_) {
        wants_write_ = wants_write;
        if (!watch_->want(true, wants_write)) {
            return lose("the event loop refused to watch the connection");
        }
    }
    return true;
}

bool Listener::lose_to_libpq() noexcept {
    try {
        return lose(one_line(PQerrorMessage(conn_.get())));
    } catch (...) {
        return lose("out of memory");
    }
}

// Always returns false. After a connection that worked, the next attempt is
// made at once.
bool Listener::lose(std::string_view reason) noexcept {
    const bool was_up = std::exchange(up_, false);
    state_ = State::waiting;
    if (connecting_) {
        connecting_->cancel();
    }
    if (watch_ && PQsocket(conn_.get()) < 0) {
        watch_->descriptor_closed();
    }
    watch_.reset();
    answer_.reset();
    conn_.reset();
    const Milliseconds now = reactor_.now();
    if (!worked_) {
        backoff_.failed(now, reactor_.random(), Backoff::Failure::refused);
    }
    clock_->start(std::max(backoff_.due(false) - now, Milliseconds(0)));
    try {
        complain(std::string(reason));
    } catch (...) {
        // Out of memory: nothing is logged.
    }
    if (was_up) {
        (void)tell([&] { observer_.lost(); });
    }
    return false;
}

void Listener::complain(const std::string& reason) {
    const std::string message = "revocation channel down: " + reason;
    const Milliseconds now = reactor_.now();
    if (message == complaint_ && now - complained_at_ < complaint_interval) {
        return;
    }
    complaint_ = message;
    complained_at_ = now;
    reactor_.log(LogLevel::error, message);
}

}  // namespace sigra::postgres
