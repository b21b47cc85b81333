// Erlang's external term format: a reader with limits, and a writer of what the
// cookies need. These tags are read: 70 77 88 90 97 98 100 101 103 104 105 106
// 107 108 109 110 111 114 115 116 118 119. They are those that Plug can write
// and reads again. Pids and references are among them; ports and functions are
// not, because Plug drops a session that contains one. Everything else is
// refused, also compressed terms and maps with a duplicate key. Keys are
// compared as Erlang does, so 100 and 119 may be the same atom.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigra::phoenix::term {

// A term over one of these limits is refused. The depth is limited only by the
// number of items, because nothing here is recursive.
inline constexpr std::size_t max_key_maps = 8;  // maps in each other's keys
inline constexpr std::size_t max_items = 8192;

// Checks that `bytes` is a version byte and one term, with nothing after it,
// and returns the term without the version byte. Each length is checked before
// use. The time is linear in the size, except for sorting keys. The functions
// below must only be given what checked() returned, or a slice of it.
[[nodiscard]] std::optional<std::string_view> checked(std::string_view bytes);

// The length in bytes of the term at the front of checked bytes.
[[nodiscard]] std::size_t length(std::string_view term);

// The value of a term; nullopt if it has another type. The name of an atom is
// not converted: it is Latin-1 for tags 100 and 115, UTF-8 for 118 and 119.
[[nodiscard]] std::optional<std::string_view> as_binary(std::string_view term);
[[nodiscard]] std::optional<std::string_view> as_atom(std::string_view term);
[[nodiscard]] std::optional<std::vector<std::string_view>> as_tuple(
    std::string_view term);
// The pairs in their encoded order; keys and values are still encoded.
[[nodiscard]] std::optional<
    std::vector<std::pair<std::string_view, std::string_view>>>
as_map(std::string_view term);
// An integer, or a float truncated towards zero. If it does not fit, `overflow`
// is true and the value is the nearest bound.
struct Number {
    std::int64_t value;
    bool overflow;
};
[[nodiscard]] std::optional<Number> as_number(std::string_view term);
[[nodiscard]] std::optional<double> as_float(std::string_view term);

// The writers append one encoded term, without a version byte.
void write_version(std::string& out);
void write_binary(std::string& out, std::string_view bytes);
// `name`: UTF-8 of at most 255 bytes.
void write_atom(std::string& out, std::string_view name);
void write_integer(std::string& out, std::int64_t value);
void write_tuple_header(std::string& out, std::uint8_t arity);
void write_map_header(std::string& out, std::uint32_t pairs);

}  // namespace sigra::phoenix::term
