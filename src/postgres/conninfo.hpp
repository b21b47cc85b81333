// A connection string taken apart: which names are to be resolved before
// libpq sees them, and what is said to the server beside it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "postgres/pq.hpp"
#include "postgres/reactor.hpp"

namespace sigra::postgres {

using Addresses = std::map<std::string, std::vector<std::string>>;
using Parameters = std::vector<std::pair<std::string, std::string>>;

class ConnInfo {
  public:
    // `statement_timeout`: the server's own limit; 0 leaves it alone.
    ConnInfo(const std::string& conninfo, Milliseconds statement_timeout);

    // Of the conninfo, without what it holds; empty where it is well formed.
    [[nodiscard]] const std::string& error() const { return error_; }

    // The hosts that are names, each once.
    [[nodiscard]] std::vector<std::string> names() const;

    // What start_connection() gets. A host with several addresses stands once
    // for each; one without is left out, and where none is left nothing is.
    [[nodiscard]] Parameters parameters(const Addresses& addresses) const;

    // A pooler may refuse `options` at start-up. False: that was known.
    bool refuse_options() { return std::exchange(send_options_, false); }

  private:
    struct Endpoint {
        std::string host;
        std::string hostaddr;
        std::string port;
    };
    void read_endpoints(const std::string& host, const std::string& hostaddr,
                        const std::string& port);

    std::string error_;
    Parameters given_;  // as the conninfo has them
    std::vector<Endpoint> endpoints_;
    std::string user_options_;
    std::string our_options_;
    bool send_options_ = true;
};

// PQconnectStartParams; null where memory ran out.
[[nodiscard]] ConnPtr start_connection(const Parameters& parameters);

}  // namespace sigra::postgres
