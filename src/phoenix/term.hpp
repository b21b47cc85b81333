// Erlang's external term format: a bounded reader and a writer of what the
// cookies need. Read: 70 77 88 90 97 98 100 101 103 104 105 106 107 108 109
// 110 111 114 115 116 118 119. That is what Plug reads of what it writes: pids
// and references are among it; ports and functions are not, for Plug drops a
// session that holds one. Everything else, compressed terms and a map with the
// same key twice (as Erlang compares keys: 100 and 119 spell the same atom)
// are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigra::phoenix::term {

// Past these a term is refused. No bound on how deep terms stand in each other
// but the number of items: nothing here recurses.
inline constexpr std::size_t max_key_maps = 8;  // maps in each other's keys
inline constexpr std::size_t max_items = 8192;

// Checks `bytes`, a version byte and one term to the last byte, and hands back
// the term without its version byte. Every length is checked before use; time
// is linear in the bytes but for the sorting of keys. The functions below read
// what checked() returned or a slice of it, and nothing else.
[[nodiscard]] std::optional<std::string_view> checked(std::string_view bytes);

// The encoded length of the term at the front of checked bytes.
[[nodiscard]] std::size_t length(std::string_view term);

// What a term is; nullopt where it is of another type. An atom's name is as it
// is spelled: Latin-1 in 100 and 115, UTF-8 in 118 and 119.
[[nodiscard]] std::optional<std::string_view> as_binary(std::string_view term);
[[nodiscard]] std::optional<std::string_view> as_atom(std::string_view term);
[[nodiscard]] std::optional<std::vector<std::string_view>> as_tuple(
    std::string_view term);
// Pairs in the order they stand, keys and values still encoded.
[[nodiscard]] std::optional<
    std::vector<std::pair<std::string_view, std::string_view>>>
as_map(std::string_view term);
// Integers that fit; a float is cut towards zero. `overflow` says that it is
// an integer or float but does not fit: then the value is the nearest bound.
struct Number {
    std::int64_t value;
    bool overflow;
};
[[nodiscard]] std::optional<Number> as_number(std::string_view term);
[[nodiscard]] std::optional<double> as_float(std::string_view term);

// Writers append one encoded term (no version byte).
void write_version(std::string& out);
void write_binary(std::string& out, std::string_view bytes);
// `name`: UTF-8 of at most 255 bytes.
void write_atom(std::string& out, std::string_view name);
void write_integer(std::string& out, std::int64_t value);
void write_tuple_header(std::string& out, std::uint8_t arity);
void write_map_header(std::string& out, std::uint32_t pairs);

}  // namespace sigra::phoenix::term
