#include "phoenix/origin.hpp"

#include <algorithm>
#include <charconv>

namespace sigra::phoenix {
namespace {

constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t https_port = 443;

struct Authority {
    std::string host;
    std::optional<std::uint16_t> port;
};

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c >= 'A' && c <= 'Z') {
            c = static_cast<char>(c | 0x20);
        }
    }
    return out;
}

bool is_name(std::string_view host) {
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '-' || c == '_';
    });
}

bool is_ipv6(std::string_view host) {
    return host.size() > 2 && host.front() == '[' && host.back() == ']' &&
           std::all_of(host.begin() + 1, host.end() - 1, [](char c) {
               return (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') ||
                      c == ':' || c == '.';
           });
}

std::optional<std::uint16_t> port_of(std::string_view digits) {
    std::uint16_t port = 0;
    const char* end = digits.data() + digits.size();
    auto [rest, error] = std::from_chars(digits.data(), end, port);
    if (error != std::errc() || rest != end || port == 0) {
        return std::nullopt;
    }
    return port;
}

std::optional<Authority> parse_authority(std::string_view text) {
    Authority out;
    // The colon of the port, not one inside an IPv6 address.
    std::size_t from = text.starts_with('[') ? text.find(']') : 0;
    if (from == std::string_view::npos) {
        return std::nullopt;
    }
    std::size_t colon = text.find(':', from);
    out.host = lower_case(text.substr(0, colon));
    if (!is_name(out.host) && !is_ipv6(out.host)) {
        return std::nullopt;
    }
    if (colon != std::string_view::npos) {
        out.port = port_of(text.substr(colon + 1));
        if (!out.port) {
            return std::nullopt;
        }
    }
    return out;
}

bool is_default(std::uint16_t port) {
    return port == http_port || port == https_port;
}

bool is_trusted(std::string_view text, const std::vector<WebOrigin>& trusted) {
    auto origin = parse_origin(text);
    return origin &&
           std::find(trusted.begin(), trusted.end(), *origin) != trusted.end();
}

}  // namespace

std::optional<WebOrigin> parse_origin(std::string_view text) {
    constexpr std::string_view separator = "://";
    std::size_t end = text.find(separator);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string scheme = lower_case(text.substr(0, end));
    if (scheme != "https" && scheme != "http") {
        return std::nullopt;
    }
    auto authority = parse_authority(text.substr(end + separator.size()));
    if (!authority) {
        return std::nullopt;
    }
    const bool https = scheme == "https";
    return WebOrigin{https, std::move(authority->host),
                     authority->port.value_or(https ? https_port : http_port)};
}

std::optional<WebOrigin> origin_of_url(std::string_view url) {
    const std::size_t authority = url.find("://");
    const std::size_t end = authority == std::string_view::npos
                                ? authority
                                : url.find_first_of("/?#", authority + 3);
    return parse_origin(url.substr(0, end));
}

bool is_host_of(const WebOrigin& origin, std::string_view host_header) {
    auto host = parse_authority(host_header);
    if (!host || host->host != origin.host) {
        return false;
    }
    if (host->port && *host->port == origin.port) {
        return true;
    }
    return origin.port == (origin.https ? https_port : http_port) &&
           (!host->port || is_default(*host->port));
}

Provenance provenance_of(const OriginHeaders& headers,
                         const std::vector<WebOrigin>& trusted) {
    const auto& site = headers.sec_fetch_site;
    const auto& origin = headers.origin;
    // No browser sends one of these headers twice.
    if (site.size() > 1 || origin.size() > 1) {
        return Provenance::foreign;
    }
    // Over plain http, browsers send no Sec-Fetch-Site. With the
    // Referrer-Policy no-referrer, they send the origin "null" even for a form
    // of the same site.
    const bool silent = origin.empty() || origin.front() == "null";
    if (site.empty() && silent) {
        return Provenance::unknown;
    }
    if (!origin.empty() && is_trusted(origin.front(), trusted)) {
        return Provenance::own;
    }
    bool own = false;
    if (!site.empty()) {
        own = site.front() == "same-origin" || site.front() == "none";
    } else {
        auto parsed = parse_origin(origin.front());
        own = parsed && is_host_of(*parsed, headers.host);
    }
    return own ? Provenance::own : Provenance::foreign;
}

}  // namespace sigra::phoenix
