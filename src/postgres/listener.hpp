// Receives revocations with LISTEN on a connection of its own. The channel is
// "up" only while the connection answers and the triggers that notify exist.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/backoff.hpp"
#include "postgres/connecting.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/identity.hpp"
#include "postgres/layout.hpp"
#include "postgres/pool.hpp"
#include "postgres/pq.hpp"
#include "postgres/reactor.hpp"
#include "postgres/triggers.hpp"

namespace sigra::postgres {

struct ListenerOptions {
    std::string conninfo;
    std::string channel;
    std::vector<Layout> layouts;  // whose tables must have the triggers
    Milliseconds connect_timeout{5000};
    Milliseconds max_reconnect_delay{10000};
    Milliseconds ping_interval{2000};
    Milliseconds ping_timeout{2000};
};

// Called from the loop, never from inside start() or the destructor. A call may
// destroy the listener. It may throw bad_alloc only; the connection is then
// closed, because the revocation was not handled.
class ListenerObserver {
  public:
    virtual void listening() = 0;  // the channel has come up
    virtual void lost() = 0;       // the channel was up and is down
    // In commit order; some may come before listening().
    virtual void revoked_token(std::string_view hash) = 0;  // 32 raw bytes
    virtual void revoked_user(std::string_view id) = 0;
    virtual void revoked_all() = 0;

  protected:
    ~ListenerObserver() = default;
};

class Listener final : private IoHandler {
  public:
    // Both outlive the listener.
    Listener(Reactor& reactor, ListenerOptions options,
             ListenerObserver& observer);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    void start();
    [[nodiscard]] bool up() const { return up_; }
    // Identity::server of its server; 0 while the channel is not up.
    [[nodiscard]] std::uint64_t server() const {
        return up_ ? identity_.server : 0;
    }

    // Its connection; nullopt while it waits to connect again.
    [[nodiscard]] std::optional<ConnectionFigure> connection() const;

  private:
    // The query for the triggers is the ping too, so that dropped triggers are
    // noticed as soon as a server that does not answer.
    enum class State {
        stopped,
        connecting,
        subscribing,  // LISTEN was sent
        looking,      // the query for the triggers was sent
        resting,      // until the next such query
        waiting,      // until the next attempt to connect
    };

    void on_io() override;
    // A worker that shuts down needs the channel for its last requests.
    void on_close_request() override {}

    void on_clock();
    void connect();
    void connected(ConnPtr conn, const std::string& error);
    void subscribe();
    void look();
    bool pump();
    bool answered();
    bool looked(const std::string& missing);
    bool is_still(const Identity& identity);
    bool belongs(const std::string& relations);
    bool hear(std::size_t& heard);
    void deliver(std::string_view payload);
    template <class Call>
    bool tell(const Call& call);
    bool flush();
    bool lose_to_libpq() noexcept;
    bool lose(std::string_view reason) noexcept;
    void complain(const std::string& reason);

    Reactor& reactor_;
    ListenerOptions options_;
    ListenerObserver& observer_;
    ConnInfo conninfo_;
    TriggerLook look_;
    std::string look_sql_;

    State state_ = State::stopped;
    bool up_ = false;
    std::unique_ptr<Connecting> connecting_;
    ConnPtr conn_;
    Endpoint endpoint_;             // conn_'s
    std::unique_ptr<Watch> watch_;  // destroyed before the socket closes
    bool wants_write_ = false;
    ResultPtr answer_;
    bool worked_ = false;  // this connection has answered State::looking
    Identity identity_;    // of the server, from the first such answer
    Backoff backoff_;
    std::unique_ptr<Timer> clock_;  // its purpose depends on state_

    std::string complaint_;  // the last error that was logged
    Milliseconds complained_at_{0};
    std::string missing_;  // the tables that lack triggers, as logged
    // The oids of the tables and of all that inherit from them; empty before
    // the connection's first answer.
    std::string relations_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sigra::postgres
