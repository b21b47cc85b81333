// cmocka for C++, with asserts for byte strings and rows of a table.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

extern "C" {
#include <cmocka.h>
}

namespace sigra::unit {

// Where a check was called. clang 14 does not have std::source_location.
struct Place {
    const char* file;
    int line;

    static Place here(const char* file = __builtin_FILE(),
                      int line = __builtin_LINE()) {
        return {file, line};
    }
};

// Writes bytes that are not printable as \xNN.
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

inline void fail_at(Place place, const std::string& what) {
    print_error("%s\n", what.c_str());
    _fail(place.file, place.line);
}

// `row` names the row of a table in the message of a failed check.
inline void check(bool holds, std::string_view row = "",
                  Place place = Place::here()) {
    if (!holds)
        fail_at(place, "does not hold: " + shown(row));
}

inline void check_bytes(std::optional<std::string_view> actual,
                        std::optional<std::string_view> expected,
                        std::string_view row = "",
                        Place place = Place::here()) {
    if (actual == expected)
        return;
    const auto quoted = [](std::optional<std::string_view> bytes) {
        return bytes ? '"' + shown(*bytes) + '"' : std::string("nothing");
    };
    fail_at(place,
            shown(row) + ": " + quoted(actual) + " is not " + quoted(expected));
}

// A string from a literal that may contain NUL.
template <std::size_t size>
std::string bytes(const char (&literal)[size]) {
    return std::string(literal, size - 1);
}

}  // namespace sigra::unit
