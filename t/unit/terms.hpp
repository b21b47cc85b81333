// Builds terms by OTP's documentation of the external term format, without the
// version byte. The tests compare term.hpp with them.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "unit.hpp"

namespace sigra::unit::terms {

inline std::string be(std::uint64_t value, int size) {
    std::string out;
    while (size-- > 0)
        out += static_cast<char>(value >> 8 * size);
    return out;
}

inline std::string tagged(int tag, std::string_view rest) {
    return static_cast<char>(tag) + std::string(rest);
}
inline std::string small(int value) {
    return tagged(97, be(value, 1));
}
inline std::string int32(std::int32_t value) {
    return tagged(98, be(value, 4));
}
inline std::string big(std::string_view magnitude, bool negative = false) {
    return tagged(110, be(magnitude.size(), 1) + be(negative, 1) +
                           std::string(magnitude));
}
inline std::string large_big(std::string_view magnitude,
                             bool negative = false) {
    return tagged(111, be(magnitude.size(), 4) + be(negative, 1) +
                           std::string(magnitude));
}
inline std::string real(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return tagged(70, be(bits, 8));
}
inline std::string atom(int tag, std::string_view name) {
    const int width = tag == 100 || tag == 118 ? 2 : 1;
    return tagged(tag, be(name.size(), width) + std::string(name));
}
inline std::string bin(std::string_view text) {
    return tagged(109, be(text.size(), 4) + std::string(text));
}
inline std::string str(std::string_view text) {
    return tagged(107, be(text.size(), 2) + std::string(text));
}
inline const std::string nil = tagged(106, "");
// `last`: how many bits of the last byte are used.
inline std::string bits(std::string_view text, int last) {
    return tagged(77, be(text.size(), 4) + be(last, 1) + std::string(text));
}
// A pid with the numbers that a node writes.
inline std::string pid(int tag, const std::string& node, int number) {
    return tagged(tag,
                  node + be(number, 4) + be(0, 4) + be(0, tag == 103 ? 1 : 4));
}
inline std::string reference(int tag, const std::string& node, int number,
                             int words = 3) {
    const auto ids = be(number, 4) + std::string(4 * (words - 1), '\0');
    if (tag == 101)
        return tagged(tag, node + be(number, 4) + be(0, 1));
    return tagged(tag, be(words, 2) + node + be(0, tag == 114 ? 1 : 4) + ids);
}

inline std::string joined(const std::vector<std::string>& terms) {
    std::string out;
    for (const auto& term : terms)
        out += term;
    return out;
}
inline std::string tuple(const std::vector<std::string>& terms, int tag = 104) {
    return tagged(tag, be(terms.size(), tag == 104 ? 1 : 4) + joined(terms));
}
inline std::string list(const std::vector<std::string>& terms,
                        const std::string& tail = nil) {
    return tagged(108, be(terms.size(), 4) + joined(terms) + tail);
}
// A map of alternating keys and values.
inline std::string map(const std::vector<std::string>& terms) {
    return tagged(116, be(terms.size() / 2, 4) + joined(terms));
}

inline std::string e_acute(int count) {
    std::string out;
    while (count-- > 0)
        out += "\xc3\xa9";
    return out;
}

// A term of each type, and maps with similar keys.
inline const std::string good_terms[] = {
    small(0),
    small(255),
    int32(-1),
    big(""),
    big(std::string(255, '\xff'), true),
    large_big(std::string(256, '\1')),
    real(0),
    real(-1.5e300),
    atom(100, "nil"),
    atom(115, "true"),
    atom(118, "caf\xc3\xa9"),
    atom(119, ""),
    atom(100, std::string(255, '\xe9')),
    atom(118, e_acute(255)),
    bin(""),
    bin(bytes("a\0b")),
    str("abc"),
    nil,
    tuple({}),
    tuple({small(1), bin("x")}),
    tuple({small(1), bin("x")}, 105),
    list({small(1), nil}),
    list({small(1)}, small(2)),
    map({}),
    map({bin("a"), small(1), bin("b"), map({atom(100, "x"), nil})}),
    map({small(1), nil, real(1), nil}),  // 1 and 1.0 are different keys
    map({small(1), nil, bin("1"), nil, atom(119, "1"), nil}),
    map({list({small(1)}), nil, tuple({small(1)}), nil, nil, nil}),
    bits("\x80", 1),
    bits("ab", 7),
    pid(103, atom(100, "a@b"), 1),
    pid(88, atom(119, "a@b"), 1),
    reference(101, atom(115, "a@b"), 1),
    reference(114, atom(100, "a@b"), 1),
    reference(90, atom(118, "a@b"), 1, 5),
};

}  // namespace sigra::unit::terms
