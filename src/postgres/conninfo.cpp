#include "postgres/conninfo.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <memory>

#include "postgres/pool.hpp"

namespace sigra::postgres {
namespace {

struct FreeOptions {
    void operator()(PQconninfoOption* options) const noexcept {
        PQconninfoFree(options);
    }
};
using OptionsPtr = std::unique_ptr<PQconninfoOption, FreeOptions>;

// libpq quotes what it does not understand, and that may be the password or
// the whole URI: only the name of an option is repeated.
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

std::string joined(const std::vector<std::string>& parts) {
    std::string list;
    for (const std::string& part : parts) {
        list += (&part == parts.data() ? "" : ",") + part;
    }
    return list;
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

// The options with environment, service file and defaults applied. libpq has
// no function for it that does not connect too, but an option of which it
// knows no such value stops it just before.
OptionsPtr effective(Parameters given) {
    std::erase_if(given, [](const auto& parameter) {
        return parameter.first == "channel_binding";
    });
    given.emplace_back("channel_binding", "only to read the options");
    const ConnPtr conn = start_connection(given);
    return OptionsPtr(conn ? PQconninfo(conn.get()) : nullptr);
}

}  // namespace

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
        }
    }
    our_options_ = "-c TimeZone=UTC";
    if (statement_timeout.count() > 0) {
        our_options_ += " -c statement_timeout=" +
                        std::to_string(statement_timeout.count());
    }
    read_endpoints(host, hostaddr, port);
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

Parameters ConnInfo::parameters(const Addresses& addresses) const {
    std::vector<std::string> hosts, hostaddrs, ports;
    const auto add = [&](const Endpoint& endpoint,
                         const std::string& hostaddr) {
        hosts.push_back(endpoint.host);
        hostaddrs.push_back(hostaddr);
        ports.push_back(endpoint.port);
    };
    for (const Endpoint& endpoint : endpoints_) {
        if (!endpoint.hostaddr.empty() || !is_name(endpoint.host)) {
            add(endpoint, endpoint.hostaddr);
        } else if (const auto found = addresses.find(endpoint.host);
                   found != addresses.end()) {
            for (const std::string& address : found->second) {
                add(endpoint, address);
            }
        }
    }
    if (hosts.empty()) {
        return {};
    }
    // The last value of a keyword counts.
    Parameters parameters = {{"gssencmode", "disable"},
                             {"fallback_application_name", "nginx auth_sigra"}};
    parameters.insert(parameters.end(), given_.begin(), given_.end());
    parameters.emplace_back("client_encoding", "UTF8");
    parameters.emplace_back("host", joined(hosts));
    parameters.emplace_back("hostaddr", joined(hostaddrs));
    parameters.emplace_back("port", joined(ports));
    std::string options = user_options_;
    if (send_options_) {
        options += (options.empty() ? "" : " ") + our_options_;
    }
    parameters.emplace_back("options", options);
    return parameters;
}

}  // namespace sigra::postgres
