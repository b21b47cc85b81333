#include "phoenix/redirect.hpp"

#include <string>

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

// A dot segment beside an empty one may leave a `//` in front once somebody
// has resolved it, and who merges slashes first resolves it otherwise: no
// honest path has both.
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

}  // namespace sigra::phoenix
