#include "phoenix/redirect.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "phoenix/encoding.hpp"
#include "phoenix/percent.hpp"

namespace sigra::phoenix {
namespace {

bool is_dangerous(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '\\';
}

bool any_dangerous(std::string_view text) {
    for (const char c : text)
        if (is_dangerous(c))
            return true;
    return false;
}

// True for a path that has both dot segments and empty ones. Resolving the dots
// may leave a `//` at the front, and the result depends on whether slashes are
// merged first. Legitimate paths do not have both.
bool may_collapse(std::string_view path) {
    bool dots = false, empty = false;
    for (path.remove_prefix(1);;) {
        const auto slash = path.find('/');
        const auto segment = path.substr(0, slash);
        dots = dots || segment == "." || segment == "..";
        if (slash == path.npos)
            return dots && empty;
        empty = empty || segment.empty();
        path.remove_prefix(slash + 1);
    }
}

struct WholeUrl {
    WebOrigin origin;
    std::string_view path;  // and query; perhaps empty
};

// Parses an absolute URL as this module and browsers write it. Before the path,
// only a scheme, a host and a port are accepted: no user, escape or backslash.
std::optional<WholeUrl> parse_whole_url(std::string_view url) {
    constexpr std::string_view https = "https://", http = "http://";
    const std::size_t authority = url.starts_with(https)  ? https.size()
                                  : url.starts_with(http) ? http.size()
                                                          : 0;
    if (authority == 0)
        return std::nullopt;
    const auto slash = std::min(url.find('/', authority), url.size());
    auto origin = parse_origin(url.substr(0, slash));
    if (!origin || origin->host.starts_with('.'))
        return std::nullopt;
    return WholeUrl{*std::move(origin), url.substr(slash)};
}

bool is_below(std::string_view host, std::string_view domain) {
    if (domain.starts_with('.'))
        domain.remove_prefix(1);
    if (domain.empty() || host.size() < domain.size())
        return false;
    const auto at = host.size() - domain.size();
    return equal_ignoring_case(host.substr(at), domain) &&
           (at == 0 || host[at - 1] == '.');
}

}  // namespace

bool is_local_path(std::string_view target) {
    if (!target.starts_with('/') || any_dangerous(target))
        return false;
    const auto path =
        percent_decode_lax(target.substr(0, target.find_first_of("?#")));
    return !path.starts_with("//") && !any_dangerous(path) &&
           !may_collapse(path);
}

std::string_view local_path_or_root(std::string_view target) {
    return is_local_path(target) ? target : "/";
}

bool may_return_to(std::string_view target, const ReturnHosts& hosts) {
    if (is_local_path(target))
        return true;
    const auto url = parse_whole_url(target);
    if (!url || !(url->path.empty() || is_local_path(url->path)))
        return false;
    if (std::ranges::find(hosts.trusted, url->origin) != hosts.trusted.end())
        return true;
    return (url->origin.https || !hosts.https) &&
           (is_host_of(url->origin, hosts.host) ||
            is_below(url->origin.host, hosts.domain));
}

std::string_view path_of_return_to(std::string_view target,
                                   std::string_view host) {
    if (is_local_path(target))
        return target;
    const auto url = parse_whole_url(target);
    if (!url || !is_host_of(url->origin, host) || !is_local_path(url->path))
        return {};
    return url->path;
}

}  // namespace sigra::phoenix
