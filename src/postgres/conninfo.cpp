#include "postgres/conninfo.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "postgres/pool.hpp"

namespace sigra::postgres {
namespace {

struct FreeOptions {
    void operator()(PQconninfoOption* options) const noexcept {
        PQconninfoFree(options);
    }
};
using OptionsPtr = std::unique_ptr<PQconninfoOption, FreeOptions>;

// libpq quotes what it does not understand, which may be the password or the
// whole URI. Only the name of an option is kept.
std::string redacted(const std::string& message) {
    const bool names_option =
        message.starts_with("invalid connection option") ||
        message.starts_with("invalid URI query parameter");
    const std::size_t open = message.find('"');
    if (names_option || open == std::string::npos) {
        return message;
    }
    if (message.compare(open, 3, "\"=\"") == 0) {
        return "missing \"=\" in connection string";
    }
    const std::size_t close = message.rfind('"');
    return message.substr(0, open) + "(not shown)" + message.substr(close + 1);
}

OptionsPtr parse(const std::string& conninfo, std::string& error) {
    if (conninfo.find('\0') != std::string::npos) {
        error = "a NUL byte in connection string";
        return nullptr;
    }
    char* message = nullptr;
    OptionsPtr options(PQconninfoParse(conninfo.c_str(), &message));
    if (!options) {
        error = redacted(one_line(message ? message : "out of memory"));
    }
    PQfreemem(message);
    return options;
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts(1);
    for (const char c : list) {
        if (c == ',') {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

bool is_numeric(const std::string& host) {
    unsigned char address[sizeof(in6_addr)];
    return inet_pton(AF_INET, host.c_str(), address) == 1 ||
           inet_pton(AF_INET6, host.c_str(), address) == 1;
}

bool is_name(const std::string& host) {
    return !host.empty() && host[0] != '/' && host[0] != '@' &&
           !is_numeric(host);
}

// Keepalives keep an idle connection alive in a NAT, and detect a dead peer
// within a minute rather than after the system's default of two hours.
constexpr std::pair<std::string_view, std::string_view> our_defaults[] = {
    {"gssencmode", "disable"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "15000"}};

// The options with the environment, the service file and the defaults applied.
// libpq does this only when it connects, so an invalid value of channel_binding
// stops it just before.
OptionsPtr effective(Parameters given) {
    std::erase_if(given, [](const auto& parameter) {
        return parameter.first == "channel_binding";
    });
    given.emplace_back("channel_binding", "only to read the options");
    const ConnPtr conn = start_connection(given);
    return OptionsPtr(conn ? PQconninfo(conn.get()) : nullptr);
}

}  // namespace

std::string host_and_port(const Endpoint& endpoint) {
    const std::string& host =
        endpoint.host.empty() ? endpoint.hostaddr : endpoint.host;
    const bool is_v6 = host.find(':') != std::string::npos;
    return (host.empty() ? "local"
            : is_v6      ? "[" + host + "]"
                         : host) +
           ":" + (endpoint.port.empty() ? "5432" : endpoint.port);
}

ConnPtr start_connection(const Parameters& parameters) {
    std::vector<const char*> keywords, values;
    for (const auto& [keyword, value] : parameters) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    return ConnPtr(PQconnectStartParams(keywords.data(), values.data(), 0));
}

std::string conninfo_error(const std::string& conninfo) {
    std::string error;
    (void)parse(conninfo, error);
    return error;
}

bool may_reach_several_servers(const std::string& conninfo) {
    return ConnInfo(conninfo, Milliseconds(0)).may_reach_several_servers();
}

ConnInfo::ConnInfo(const std::string& conninfo,
                   Milliseconds statement_timeout) {
    const OptionsPtr options = parse(conninfo, error_);
    if (!options) {
        return;
    }
    for (auto* option = options.get(); option->keyword; option++) {
        if (option->val) {
            given_.emplace_back(option->keyword, option->val);
        }
    }
    std::string host, hostaddr, port;
    const OptionsPtr all = effective(given_);
    for (auto* option = all.get(); option && option->keyword; option++) {
        const std::string_view keyword = option->keyword;
        const std::string value = option->val ? option->val : "";
        if (keyword == "host") {
            host = value;
        } else if (keyword == "hostaddr") {
            hostaddr = value;
        } else if (keyword == "port") {
            port = value;
        } else if (keyword == "options") {
            user_options_ = value;
        } else if (keyword == "target_session_attrs") {
            session_attrs_ = value;
        } else if (keyword == "load_balance_hosts") {
            shuffle_ = value == "random";
        } else {
            set_default(*option);
        }
    }
    our_options_ = "-c TimeZone=UTC";
    if (statement_timeout.count() > 0) {
        our_options_ += " -c statement_timeout=" +
                        std::to_string(statement_timeout.count());
    }
    read_endpoints(host, hostaddr, port);
}

// Adds the module's default for an option that neither the connection string,
// the environment nor a service file has set. A parameter that is passed to
// libpq would override them.
void ConnInfo::set_default(const PQconninfoOption& option) {
    const std::string_view value = option.val ? option.val : "";
    const std::string_view compiled = option.compiled ? option.compiled : "";
    if (value != compiled) {
        return;
    }
    for (const auto& [keyword, ours] : our_defaults) {
        if (keyword == option.keyword) {
            defaults_.emplace_back(keyword, ours);
        }
    }
}

void ConnInfo::read_endpoints(const std::string& host,
                              const std::string& hostaddr,
                              const std::string& port) {
    const auto hosts = split(host);
    const auto hostaddrs = split(hostaddr);
    const auto ports = split(port);
    const std::size_t count = std::max(hosts.size(), hostaddrs.size());
    const auto fits = [&](const auto& list, const std::string& text) {
        return text.empty() || list.size() == count;
    };
    if (!fits(hosts, host) || !fits(hostaddrs, hostaddr)) {
        error_ = "the numbers of host and hostaddr values differ";
        return;
    }
    if (ports.size() != 1 && ports.size() != count) {
        error_ = "the numbers of host and port values differ";
        return;
    }
    for (std::size_t i = 0; i < count; i++) {
        endpoints_.push_back({host.empty() ? "" : hosts[i],
                              hostaddr.empty() ? "" : hostaddrs[i],
                              ports.size() == 1 ? ports[0] : ports[i]});
    }
}

std::vector<std::string> ConnInfo::names() const {
    std::vector<std::string> names;
    for (const Endpoint& endpoint : endpoints_) {
        if (endpoint.hostaddr.empty() && is_name(endpoint.host) &&
            std::find(names.begin(), names.end(), endpoint.host) ==
                names.end()) {
            names.push_back(endpoint.host);
        }
    }
    return names;
}

Attempts ConnInfo::attempts(const Addresses& addresses,
                            const std::function<double()>& random) const {
    std::vector<Endpoint> list;
    for (const Endpoint& endpoint : endpoints_) {
        if (!endpoint.hostaddr.empty() || !is_name(endpoint.host)) {
            list.push_back(endpoint);
        } else if (const auto found = addresses.find(endpoint.host);
                   found != addresses.end()) {
            for (const std::string& address : found->second) {
                list.push_back({endpoint.host, address, endpoint.port});
            }
        }
    }
    for (std::size_t left = shuffle_ ? list.size() : 0; left > 1; left--) {
        const auto chosen =
            static_cast<std::size_t>(random() * static_cast<double>(left));
        std::swap(list[left - 1], list[chosen]);
    }
    const auto rank = [&](const Endpoint& endpoint) {
        if (left_ == endpoint) {
            return 2;
        }
        return good_ == endpoint && !shuffle_ ? 0 : 1;
    };
    std::stable_sort(list.begin(), list.end(),
                     [&](const Endpoint& one, const Endpoint& other) {
                         return rank(one) < rank(other);
                     });
    Attempts attempts;
    // As libpq does: the second round accepts any server.
    const bool two_rounds = session_attrs_ == "prefer-standby";
    for (const std::string_view attrs : {two_rounds ? "standby" : "", "any"}) {
        for (const Endpoint& endpoint : list) {
            attempts.push_back({endpoint, std::string(attrs)});
        }
        if (!two_rounds) {
            break;
        }
    }
    return attempts;
}

Parameters ConnInfo::parameters(const Attempt& attempt) const {
    // The last value of a keyword wins.
    Parameters parameters = defaults_;
    parameters.emplace_back("fallback_application_name", "nginx auth_sigra");
    parameters.insert(parameters.end(), given_.begin(), given_.end());
    parameters.emplace_back("client_encoding", "UTF8");
    parameters.emplace_back("host", attempt.endpoint.host);
    parameters.emplace_back("hostaddr", attempt.endpoint.hostaddr);
    parameters.emplace_back("port", attempt.endpoint.port);
    if (!attempt.session_attrs.empty()) {
        parameters.emplace_back("target_session_attrs", attempt.session_attrs);
    }
    std::string options = user_options_;
    if (send_options_) {
        options += (options.empty() ? "" : " ") + our_options_;
    }
    parameters.emplace_back("options", options);
    return parameters;
}

void ConnInfo::worked(const Endpoint& endpoint) {
    good_ = endpoint;
    if (left_ == endpoint) {
        left_.reset();
    }
}

void ConnInfo::leave(const Endpoint& endpoint) {
    left_ = endpoint;
    if (good_ == endpoint) {
        good_.reset();
    }
}

}  // namespace sigra::postgres
