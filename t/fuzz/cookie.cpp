// The input's first line is a cookie's name, the rest a Cookie header. The
// cookie is found as a simple, slow reader finds it, and not found after it was
// removed.
#include "phoenix/cookie.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

std::vector<std::string> split(std::string_view header) {
    std::vector<std::string> pairs{""};
    for (const char c : header) {
        if (c == ';')
            pairs.emplace_back();
        else
            pairs.back() += c;
    }
    return pairs;
}

// The simple reader: splits at each semicolon.
std::optional<std::string> slow_find(std::string_view header,
                                     std::string_view wanted) {
    for (auto pair : split(header)) {
        while (!pair.empty() && (pair[0] == ' ' || pair[0] == '\t'))
            pair.erase(0, 1);
        const auto equals = pair.find('=');
        if (equals == pair.npos || equals == 0)
            continue;
        const auto name = pair.substr(0, equals);
        auto value = pair.substr(equals + 1);
        bool dropped = false;
        for (const char c : name)
            dropped = dropped || is_space(c);
        for (const char c : value)
            dropped = dropped || (is_space(c) && c != ' ');
        while (!value.empty() && value.back() == ' ')
            value.pop_back();
        if (!dropped && name == wanted)
            return value;
    }
    return std::nullopt;
}

std::string folded(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (!is_space(c))
            out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto [name, header] =
        sigra::fuzz::first_line(sigra::fuzz::text_of(data, size));
    if (name.find_first_of("=;") != name.npos)
        return sigra::fuzz::not_for_the_corpus;
    const auto found = find_cookie(header, name);
    require(found == slow_find(header, name), "found as a slow reader does");
    if (!name.empty() && folded(name).size() == name.size()) {
        const auto first = first_cookie(header, name);
        require(!found || first, "there is a first of what is found");
        require(!first || first->find_first_of("\t\n\v\f\r") != first->npos ||
                    first == found,
                "what is kept is found without a look");
    }

    const auto without = without_cookies(header, std::array{name});
    require(!find_cookie(without, name), "what was taken out is gone");
    require(without.size() <= header.size(), "nothing is added");
    for (const auto& pair : split(header)) {
        const auto other = pair.substr(0, pair.find('='));
        if (folded(other) == folded(name))
            continue;
        const auto bare = other.substr(
            std::min(other.find_first_not_of(" \t"), other.size()));
        require(find_cookie(without, bare) == find_cookie(header, bare),
                "the others are there");
    }

    // A name as the configuration accepts it, a value as Sealer makes it.
    if (name.empty() || folded(name).size() != name.size())
        return sigra::fuzz::accepted;
    const auto with = with_cookie(header, name, "SFMyNTY.new-_");
    require(find_cookie(with, name) == "SFMyNTY.new-_", "the new value");
    require(!slow_find(with.substr(name.size() + 14), name), "and no other");
    return sigra::fuzz::accepted;
}
