// Shared by the fuzz targets: a check that ends the program, and reading one
// input as several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace sigra::fuzz {

// Ends the program if `holds` is false; libFuzzer then keeps the input.
inline void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

// The parts before and after the first line feed.
inline std::pair<std::string_view, std::string_view> first_line(
    std::string_view input) {
    const auto end = input.find('\n');
    if (end == input.npos)
        return {input, {}};
    return {input.substr(0, end), input.substr(end + 1)};
}

inline constexpr int accepted = 0;
inline constexpr int not_for_the_corpus = -1;

}  // namespace sigra::fuzz
