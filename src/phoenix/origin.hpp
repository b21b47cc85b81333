// Where a browser says that a request comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::phoenix {

// As browsers write it: `https://host[:port]`, the host in lower case, an IPv6
// address in its brackets.
struct WebOrigin {
    bool https = true;
    std::string host;
    std::uint16_t port = 443;  // its scheme's, where none is written
    bool operator==(const WebOrigin&) const = default;
};

// http and https alone; nullopt for what is no origin, `null` and a URL with a
// path among it.
[[nodiscard]] std::optional<WebOrigin> parse_origin(std::string_view text);

// The origin of a whole URL: what stands in front of its path. nullopt for a
// local path.
[[nodiscard]] std::optional<WebOrigin> origin_of_url(std::string_view url);

// Is it the origin that a Host header names? The scheme is not compared, for
// TLS may end before this server; 80, 443 and no port are one in a Host.
[[nodiscard]] bool is_host_of(const WebOrigin& origin,
                              std::string_view host_header);

// What a request says of itself: the values of all headers of a name, in their
// order, and the Host header (empty: none).
struct OriginHeaders {
    std::vector<std::string_view> sec_fetch_site;
    std::vector<std::string_view> origin;
    std::string_view host;
};

enum class Provenance {
    own,      // our own page, a trusted origin, or typed by the user
    foreign,  // 403
    unknown,  // nothing is said: the CSRF token decides
};

// Sec-Fetch-Site, else Origin against Host, as is_host_of() has it. A trusted
// origin has to be met in all three parts.
[[nodiscard]] Provenance provenance_of(const OriginHeaders& headers,
                                       const std::vector<WebOrigin>& trusted);

}  // namespace sigra::phoenix
