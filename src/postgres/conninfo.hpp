// A parsed connection string: the host names that must be resolved before libpq
// gets them, and the settings that the module adds.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postgres/pq.hpp"
#include "postgres/reactor.hpp"

namespace sigra::postgres {

using Addresses = std::map<std::string, std::vector<std::string>>;
using Parameters = std::vector<std::pair<std::string, std::string>>;

// One address that a connection may lead to.
struct Endpoint {
    std::string host;
    std::string hostaddr;
    std::string port;

    bool operator==(const Endpoint&) const = default;
};

// "db1:5432", "[::1]:5432", "/run/postgresql:5432"; "local:5432" if libpq
// chooses the directory of the socket.
[[nodiscard]] std::string host_and_port(const Endpoint& endpoint);

// One attempt to connect: where, and what the session must be capable of.
struct Attempt {
    Endpoint endpoint;
    std::string session_attrs;  // target_session_attrs; empty: as given
};
using Attempts = std::vector<Attempt>;

class ConnInfo {
  public:
    // `statement_timeout` is set for the session; 0: it is not set.
    ConnInfo(const std::string& conninfo, Milliseconds statement_timeout);

    // The syntax error of the connection string, without any of its values;
    // empty if it is well formed.
    [[nodiscard]] const std::string& error() const { return error_; }

    // The hosts that must be resolved, without duplicates.
    [[nodiscard]] std::vector<std::string> names() const;

    // True for several hosts without a target_session_attrs that asks for the
    // primary.
    [[nodiscard]] bool may_reach_several_servers() const {
        return endpoints_.size() > 1 && session_attrs_ != "read-write" &&
               session_attrs_ != "primary";
    }
    // True if target_session_attrs asks for a session that can write.
    [[nodiscard]] bool wants_writes() const {
        return session_attrs_ == "read-write" || session_attrs_ == "primary";
    }

    // The attempts to make, in order. There is one for each address of a host,
    // and none for a host without addresses. The endpoint that worked last
    // comes first, the one passed to leave() comes last. `random` is in
    // [0, 1), for load_balance_hosts.
    [[nodiscard]] Attempts attempts(
        const Addresses& addresses,
        const std::function<double()>& random) const;
    // The parameters for start_connection().
    [[nodiscard]] Parameters parameters(const Attempt& attempt) const;

    void worked(const Endpoint& endpoint);
    // The server there is not usable, such as a standby for a login: try the
    // others first.
    void leave(const Endpoint& endpoint);

    // The server refused the startup parameter `options`, as a pooler may: do
    // not send it again. Returns false if that was known before.
    bool refuse_options() { return std::exchange(send_options_, false); }

  private:
    void read_endpoints(const std::string& host, const std::string& hostaddr,
                        const std::string& port);
    void set_default(const PQconninfoOption& option);

    std::string error_;
    Parameters given_;     // from the connection string
    Parameters defaults_;  // the module's own, for settings nobody has set
    std::vector<Endpoint> endpoints_;
    std::string session_attrs_;
    bool shuffle_ = false;
    std::string user_options_;
    std::string our_options_;
    bool send_options_ = true;
    // Of the last calls of worked() and leave().
    std::optional<Endpoint> good_;
    std::optional<Endpoint> left_;
};

// Calls PQconnectStartParams(). Returns null if memory is exhausted.
[[nodiscard]] ConnPtr start_connection(const Parameters& parameters);

}  // namespace sigra::postgres
