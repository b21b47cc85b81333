// An accepted target stays on this site, however it is read: as browsers
// resolve it, and by software that first merges slashes or decodes it.
#include "phoenix/redirect.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

// The URL standard for a path that begins with a slash: tabs and line ends are
// removed, a backslash is a slash, an encoded dot is a dot.
std::string cleaned(std::string_view text) {
    std::string out;
    for (const char c : text)
        if (c != '\t' && c != '\n' && c != '\r')
            out += c == '\\' ? '/' : c;
    return out;
}

std::string undotted(std::string segment) {
    for (const char* dot : {"%2e", "%2E"})
        for (auto at = segment.find(dot); at != segment.npos;
             at = segment.find(dot))
            segment.replace(at, 3, ".");
    return segment;
}

std::string resolved(std::string_view path) {
    std::vector<std::string> out;
    for (std::size_t at = 1; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const std::string segment(path.substr(at, end - at));
        const bool is_last = end == path.size();
        if (undotted(segment) == "..") {
            if (!out.empty())
                out.pop_back();
            if (is_last)
                out.emplace_back();
        } else if (undotted(segment) == ".") {
            if (is_last)
                out.emplace_back();
        } else {
            out.push_back(segment);
        }
        at = end + 1;
    }
    std::string text;
    for (const auto& segment : out)
        text += '/' + segment;
    return text;
}

std::string merged(std::string_view path) {
    std::string out;
    for (const char c : path)
        if (c != '/' || out.empty() || out.back() != '/')
            out += c;
    return out;
}

std::string decoded(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef0123456789ABCDEF";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto escape = text.substr(i, 3);
        if (escape.size() == 3 && escape[0] == '%' &&
            digits.find(escape[1]) != digits.npos &&
            digits.find(escape[2]) != digits.npos) {
            out += static_cast<char>(digits.find(escape[1]) % 16 * 16 +
                                     digits.find(escape[2]) % 16);
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool is_foreign(std::string_view path) {
    return path.empty() || path[0] != '/' || path.substr(0, 2) == "//";
}

void check_accepted(std::string_view target) {
    for (const char c : target)
        require(static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f && c != '\\',
                "no control character, no backslash");
    const auto path = target.substr(0, target.find_first_of("?#"));
    for (const auto& read : {std::string(path), decoded(path)}) {
        for (const char c : read)
            require(static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f,
                    "no control character once decoded");
        const auto text = cleaned(read);
        require(!is_foreign(text), "of this site");
        require(!is_foreign(resolved(text)), "of this site once resolved");
        require(!is_foreign(merged(resolved(text))), "and merged");
        require(!is_foreign(resolved(merged(text))), "and merged first");
    }
}

// A URL that is accepted has the allowed host, however it is read: browsers
// treat a backslash as a slash, remove tabs and line ends, begin the host after
// an @, and end it at the first of / ? #.
void check_whole_url(std::string_view target, std::string_view domain) {
    const auto text = cleaned(target);
    require(text.starts_with("https://"), "https");
    const auto end = std::min(text.find_first_of("/?#", 8), text.size());
    auto authority = text.substr(8, end - 8);
    require(authority.find_first_of("@%[") == authority.npos, "a plain host");
    authority = authority.substr(0, authority.find(':'));
    for (char& c : authority)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c | 0x20);
    require(
        authority == domain || authority.ends_with("." + std::string(domain)),
        "of the domain");
    if (end < text.size())
        check_accepted(std::string_view(target).substr(target.find('/', 8)));
}

bool is_plain(std::string_view target) {
    char before = 0;
    for (const char c : target) {
        const bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!is_word && (c != '/' || before == '/'))
            return false;
        before = c;
    }
    return !target.empty() && target[0] == '/';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto target = sigra::fuzz::text_of(data, size);
    const bool is_local = is_local_path(target);
    require(local_path_or_root(target) == (is_local ? target : "/"),
            "the target or the root");
    if (is_local)
        check_accepted(target);
    require(is_local || !is_plain(target), "a plain path is local");
    const ReturnHosts hosts{.https = true, .domain = "a.b"};
    const bool may = may_return_to(target, hosts);
    require(may || !is_local, "where a login may lead, too");
    if (may && !is_local)
        check_whole_url(target, hosts.domain);
    return sigra::fuzz::accepted;
}
