#include "phoenix/redirect.hpp"

#include <optional>
#include <string>

namespace sigra::phoenix {
namespace {

bool is_dangerous(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '\\';
}

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return std::nullopt;
}

// Once, as a browser or server does; what is no escape stays.
std::string percent_decoded(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool room = text[i] == '%' && i + 2 < text.size();
        const auto high = room ? hex_digit(text[i + 1]) : std::nullopt;
        const auto low = high ? hex_digit(text[i + 2]) : std::nullopt;
        out += low ? static_cast<char>(*high << 4 | *low) : text[i];
        i += low ? 2 : 0;
    }
    return out;
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
        percent_decoded(target.substr(0, target.find_first_of("?#")));
    return !path.starts_with("//") && !any_dangerous(path) &&
           !may_collapse(path);
}

std::string_view local_path_or_root(std::string_view target) {
    return is_local_path(target) ? target : "/";
}

}  // namespace sigra::phoenix
