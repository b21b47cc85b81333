// Checks the targets of redirects, to prevent open redirects.
#pragma once

#include <span>
#include <string_view>

#include "phoenix/origin.hpp"

namespace sigra::phoenix {

// True for a path that every browser resolves to this site. It starts with a
// single `/`. It has no `\` and no control character, also not percent-encoded
// in the path. Dot segments, plain or encoded, cannot lead to a `//`.
[[nodiscard]] bool is_local_path(std::string_view target);

// Returns `target` if it is a local path, otherwise "/".
[[nodiscard]] std::string_view local_path_or_root(std::string_view target);

// The hosts that a login may lead back to.
struct ReturnHosts {
    std::string_view host;  // the Host header of the request
    bool https = false;     // the client's connection uses TLS
    std::span<const WebOrigin> trusted;
    std::string_view domain;  // of the cookies; its subdomains count too
};

// True for a local path, and for an absolute URL on one of the hosts whose path
// is empty or passes is_local_path(). From https, a URL with http is accepted
// only if its origin is trusted.
[[nodiscard]] bool may_return_to(std::string_view target,
                                 const ReturnHosts& hosts);

// The local path of such a target on the request's own host, for applications
// that accept only paths. Empty if the target is on another host.
[[nodiscard]] std::string_view path_of_return_to(std::string_view target,
                                                 std::string_view host);

}  // namespace sigra::phoenix
