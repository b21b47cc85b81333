// cmocka from C++, and what its asserts lack: byte strings and rows of a
// table.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

extern "C" {
#include <cmocka.h>
}

namespace sigra::unit {

// Bytes that no terminal likes as \xNN.
inline std::string shown(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f && c != '\\') {
            out += c;
            continue;
        }
        out += "\\x";
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

inline void fail_here(std::string_view what, const std::source_location& at) {
    print_error("%s\n", std::string(what).c_str());
    _fail(at.file_name(), static_cast<int>(at.line()));
}

// `row` names the row of a table that a check failed for.
inline void check(bool holds, std::string_view row = "",
                  std::source_location at = std::source_location::current()) {
    if (!holds)
        fail_here("does not hold: " + shown(row), at);
}

inline void check_bytes(
    std::optional<std::string_view> actual,
    std::optional<std::string_view> expected, std::string_view row = "",
    std::source_location at = std::source_location::current()) {
    if (actual == expected)
        return;
    const auto of = [](std::optional<std::string_view> bytes) {
        return bytes ? '"' + shown(*bytes) + '"' : std::string("nothing");
    };
    fail_here(shown(row) + ": " + of(actual) + " is not " + of(expected), at);
}

// A string that may hold NUL, from a literal.
template <std::size_t size>
std::string bytes(const char (&literal)[size]) {
    return std::string(literal, size - 1);
}

}  // namespace sigra::unit
