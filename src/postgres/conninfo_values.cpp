// Errors in a connection string that libpq finds only when it connects. They
// are reported when the configuration is read.
#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "postgres/conninfo.hpp"
#include "postgres/pool.hpp"

namespace sigra::postgres {
namespace {

constexpr std::array<std::string_view, 6> ssl_modes = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
constexpr std::array<std::string_view, 6> session_attrs = {
    "any", "read-write", "read-only", "primary", "standby", "prefer-standby"};

std::string one_of(std::string_view option,
                   std::span<const std::string_view> choices,
                   std::string_view value) {
    if (value.empty() ||
        std::find(choices.begin(), choices.end(), value) != choices.end()) {
        return "";
    }
    std::string list;
    for (const std::string_view choice : choices) {
        list += (list.empty() ? "" : ", ") + std::string(choice);
    }
    return "\"" + std::string(option) + "\" must be one of " + list;
}

// Calls `check` with each part of a comma-separated list until one fails.
template <class Check>
bool all_parts(std::string_view list, Check&& check) {
    for (;;) {
        const std::size_t comma = list.find(',');
        if (!check(list.substr(0, comma))) {
            return false;
        }
        if (comma == std::string_view::npos) {
            return true;
        }
        list.remove_prefix(comma + 1);
    }
}

// An empty port is the default one.
bool is_port(std::string_view text) {
    unsigned port = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, port);
    return text.empty() ||
           (error == std::errc() && rest == end && port >= 1 && port <= 65535);
}

// A host that begins with "@" is an abstract socket; one that begins with a
// slash is a directory.
bool has_misplaced_at(std::string_view host) {
    return host.find('@', 1) != std::string_view::npos &&
           !host.starts_with('/');
}

std::string error_of(std::string_view option, std::string_view value) {
    if (option == "sslmode") {
        return one_of(option, ssl_modes, value);
    }
    if (option == "target_session_attrs") {
        return one_of(option, session_attrs, value);
    }
    if (option == "port" && !all_parts(value, is_port)) {
        return "\"port\" must be a number from 1 to 65535";
    }
    if (option == "host" && !all_parts(value, [](std::string_view host) {
            return !has_misplaced_at(host);
        })) {
        return "a host name has a \"@\": in the user and the password of a "
               "URI, write \"@\" as \"%40\"";
    }
    return "";
}

}  // namespace

std::string conninfo_value_error(const std::string& conninfo) {
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
        PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree);
    for (auto* option = options.get(); option && option->keyword; option++) {
        if (option->val == nullptr) {
            continue;
        }
        if (std::string error = error_of(option->keyword, option->val);
            !error.empty()) {
            return error;
        }
    }
    return ConnInfo(conninfo, Milliseconds(0)).error();
}

}  // namespace sigra::postgres
