// Where a visitor may be sent.
#pragma once

#include <span>
#include <string_view>

#include "phoenix/origin.hpp"

namespace sigra::phoenix {

// A path on this site that no browser reads as another: starts with one `/`,
// no `\` and no control character anywhere, nor percent-encoded in the path,
// and dot segments (plain or encoded) do not lead to a `//`.
[[nodiscard]] bool is_local_path(std::string_view target);

// `target` where it is local, else "/".
[[nodiscard]] std::string_view local_path_or_root(std::string_view target);

// The hosts that a login may lead back to.
struct ReturnHosts {
    std::string_view host;  // the request's own, as its Host header has it
    bool https = false;     // its client's connection
    std::span<const WebOrigin> trusted;
    std::string_view domain;  // of the cookies: it, and what is below it
};

// A local path; or a whole URL, as is_local_path() has its path, of one of the
// hosts. Who came by https is not led to plain http, but for a trusted origin.
[[nodiscard]] bool may_return_to(std::string_view target,
                                 const ReturnHosts& hosts);

// The path of such a target on the request's own host, for what knows paths
// alone; empty: it is elsewhere.
[[nodiscard]] std::string_view path_of_return_to(std::string_view target,
                                                 std::string_view host);

}  // namespace sigra::phoenix
