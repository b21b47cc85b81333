// Reads one tag and its length; only for term*.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix::term {

inline constexpr char version = static_cast<char>(131);

// The tags of OTP's external term format.
enum Tag : std::uint8_t {
    new_float = 70,
    bit_binary = 77,
    new_pid = 88,
    newer_reference = 90,
    small_integer = 97,
    integer = 98,
    atom = 100,
    reference = 101,
    pid = 103,
    small_tuple = 104,
    large_tuple = 105,
    nil = 106,
    string = 107,
    list = 108,
    binary = 109,
    small_big = 110,
    large_big = 111,
    new_reference = 114,
    small_atom = 115,
    map = 116,
    atom_utf8 = 118,
    small_atom_utf8 = 119,
};

// A term without the terms inside it.
struct Head {
    std::uint8_t tag = 0;
    std::size_t size = 0;      // bytes before the first term inside
    std::string_view body;     // what follows the count
    std::uint64_t count = 0;   // as encoded; 1 for a reference without one
    std::uint64_t inside = 0;  // terms that follow
};

// The only function that reads a length. Returns nullopt unless everything it
// describes lies within `bytes`; a term inside counts as at least one byte.
[[nodiscard]] std::optional<Head> head_of(std::string_view bytes);

[[nodiscard]] bool is_integer(const Head& head);
[[nodiscard]] bool is_atom(const Head& head);
[[nodiscard]] bool is_latin1(const Head& head);
// A pid or reference: its body is the node's name, an atom, and numbers.
[[nodiscard]] bool is_of_node(const Head& head);
[[nodiscard]] double float_of(const Head& head);

// The sign and magnitude of an integer in any encoding. The least significant
// byte is first; there are no zero bytes at the end.
struct Magnitude {
    bool negative = false;
    std::string bytes;
};

[[nodiscard]] Magnitude magnitude_of(const Head& head);

void write_big_endian(std::string& out, std::uint64_t value, int bytes);

}  // namespace sigra::phoenix::term
