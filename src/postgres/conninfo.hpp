// A connection string taken apart: which names are to be resolved before
// libpq sees them, and what is said to the server beside it.
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

// "db1:5432", "[::1]:5432", "/run/postgresql:5432"; "local:5432" where libpq
// chooses the socket's folder.
[[nodiscard]] std::string host_and_port(const Endpoint& endpoint);

// One connection to be tried: where, and what is asked of the session there.
struct Attempt {
    Endpoint endpoint;
    std::string session_attrs;  // target_session_attrs; empty: as given
};
using Attempts = std::vector<Attempt>;

class ConnInfo {
  public:
    // `statement_timeout`: the server's own limit; 0 leaves it alone.
    ConnInfo(const std::string& conninfo, Milliseconds statement_timeout);

    // Of the conninfo, without what it holds; empty where it is well formed.
    [[nodiscard]] const std::string& error() const { return error_; }

    // The hosts that are names, each once.
    [[nodiscard]] std::vector<std::string> names() const;

    // More than one host, of which nothing says that it is the primary.
    [[nodiscard]] bool may_reach_several_servers() const {
        return endpoints_.size() > 1 && session_attrs_ != "read-write" &&
               session_attrs_ != "primary";
    }
    // The session may not be one that cannot write.
    [[nodiscard]] bool wants_writes() const {
        return session_attrs_ == "read-write" || session_attrs_ == "primary";
    }

    // What is to be tried, in this order: a host with several addresses stands
    // once for each, one without is left out. The endpoint that worked last
    // comes first, the one that was left comes last. `random` in [0, 1), for
    // load_balance_hosts.
    [[nodiscard]] Attempts attempts(
        const Addresses& addresses,
        const std::function<double()>& random) const;
    // What start_connection() gets.
    [[nodiscard]] Parameters parameters(const Attempt& attempt) const;

    void worked(const Endpoint& endpoint);
    // The server there is not the one that is wanted.
    void leave(const Endpoint& endpoint);

    // A pooler may refuse `options` at start-up. False: that was known.
    bool refuse_options() { return std::exchange(send_options_, false); }

  private:
    void read_endpoints(const std::string& host, const std::string& hostaddr,
                        const std::string& port);
    void set_default(const PQconninfoOption& option);

    std::string error_;
    Parameters given_;     // as the conninfo has them
    Parameters defaults_;  // ours, where neither it nor a service says
    std::vector<Endpoint> endpoints_;
    std::string session_attrs_;
    bool shuffle_ = false;
    std::string user_options_;
    std::string our_options_;
    bool send_options_ = true;
    // Written by who connects.
    std::optional<Endpoint> good_;
    std::optional<Endpoint> left_;
};

// PQconnectStartParams; null where memory ran out.
[[nodiscard]] ConnPtr start_connection(const Parameters& parameters);

}  // namespace sigra::postgres
