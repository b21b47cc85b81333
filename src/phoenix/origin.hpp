// The origin of a request, according to the headers that a browser sends.
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
    std::uint16_t port = 443;  // the scheme's default if none is written
    bool operator==(const WebOrigin&) const = default;
};

// Accepts http and https only. Returns nullopt for anything that is not an
// origin, such as `null` or a URL with a path.
[[nodiscard]] std::optional<WebOrigin> parse_origin(std::string_view text);

// The origin of an absolute URL; nullopt for a local path.
[[nodiscard]] std::optional<WebOrigin> origin_of_url(std::string_view url);

// True if the Host header names this origin. The scheme is not compared,
// because TLS may end at a proxy in front. For the same reason, the ports 80
// and 443 and no port count as the same in a Host header.
[[nodiscard]] bool is_host_of(const WebOrigin& origin,
                              std::string_view host_header);

// The headers of a request that say where it comes from: all values of each
// header, in order, and the Host header, empty if there is none.
struct OriginHeaders {
    std::vector<std::string_view> sec_fetch_site;
    std::vector<std::string_view> origin;
    std::string_view host;
};

enum class Provenance {
    own,      // this site, a trusted origin, or a URL typed by the user
    foreign,  // 403
    unknown,  // the headers do not say: the CSRF token decides
};

// Uses Sec-Fetch-Site or, without it, compares Origin with Host; see
// is_host_of(). A trusted origin must match in scheme, host and port.
[[nodiscard]] Provenance provenance_of(const OriginHeaders& headers,
                                       const std::vector<WebOrigin>& trusted);

}  // namespace sigra::phoenix
