#include "phoenix/term_head.hpp"

#include <bit>

namespace sigra::phoenix::term {
namespace {

// What follows a tag: a count of `count_bytes` bytes, then `fixed` bytes, then
// either `count` more bytes, or `count` times `per_count` terms and
// `more_terms` more.
struct Layout {
    std::uint8_t count_bytes, fixed, per_count, more_terms;
};

std::optional<Layout> layout_of(std::uint8_t tag) {
    switch (tag) {
        case nil:
            return Layout{0, 0, 0, 0};
        case small_integer:
            return Layout{0, 1, 0, 0};
        case integer:
            return Layout{0, 4, 0, 0};
        case new_float:
            return Layout{0, 8, 0, 0};
        case small_big:
            return Layout{1, 1, 0, 0};
        case large_big:
            return Layout{4, 1, 0, 0};
        case small_atom:
        case small_atom_utf8:
            return Layout{1, 0, 0, 0};
        case atom:
        case atom_utf8:
        case string:
            return Layout{2, 0, 0, 0};
        case binary:
            return Layout{4, 0, 0, 0};
        case bit_binary:
            return Layout{4, 1, 0, 0};
        case small_tuple:
            return Layout{1, 0, 1, 0};
        case large_tuple:
            return Layout{4, 0, 1, 0};
        case list:
            return Layout{4, 0, 1, 1};
        case map:
            return Layout{4, 0, 2, 0};
        default:
            return std::nullopt;
    }
}

constexpr std::uint64_t max_reference_words = 5;

// The size in bytes of the numbers that follow the node's name.
std::size_t numbers_of(std::uint8_t tag, std::uint64_t words) {
    switch (tag) {
        case pid:
            return 4 + 4 + 1;
        case new_pid:
            return 4 + 4 + 4;
        case newer_reference:
            return 4 + 4 * words;
        default:
            return 1 + 4 * words;
    }
}

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes)
        value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

// The tag of the node's name is checked first, so that there is no recursion.
std::optional<Head> head_of_node(Head head, std::string_view bytes) {
    const std::size_t count_bytes =
        head.tag == new_reference || head.tag == newer_reference ? 2 : 0;
    if (bytes.size() < 1 + count_bytes + 1)
        return std::nullopt;
    head.count = count_bytes ? big_endian(bytes.substr(1, count_bytes)) : 1;
    if (head.count < 1 || head.count > max_reference_words)
        return std::nullopt;
    head.body = bytes.substr(1 + count_bytes);
    Head name;
    name.tag = static_cast<std::uint8_t>(head.body[0]);
    if (!is_atom(name))
        return std::nullopt;
    const auto node = head_of(head.body);
    const auto numbers = numbers_of(head.tag, head.count);
    if (!node || numbers > head.body.size() - node->size)
        return std::nullopt;
    head.body = head.body.substr(0, node->size + numbers);
    head.size = 1 + count_bytes + head.body.size();
    return head;
}

}  // namespace

std::optional<Head> head_of(std::string_view bytes) {
    if (bytes.empty())
        return std::nullopt;
    Head head;
    head.tag = static_cast<std::uint8_t>(bytes[0]);
    if (is_of_node(head))
        return head_of_node(head, bytes);
    const auto layout = layout_of(head.tag);
    if (!layout || bytes.size() - 1 < layout->count_bytes)
        return std::nullopt;
    head.count = big_endian(bytes.substr(1, layout->count_bytes));
    auto rest = bytes.substr(1 + layout->count_bytes);
    head.inside = head.count * layout->per_count + layout->more_terms;
    const auto inline_bytes =
        layout->fixed + (layout->per_count ? 0 : head.count);
    if (inline_bytes > rest.size() || head.inside > rest.size() - inline_bytes)
        return std::nullopt;
    head.body = rest.substr(0, inline_bytes);
    head.size = 1 + layout->count_bytes + inline_bytes;
    return head;
}

bool is_integer(const Head& head) {
    return head.tag == small_integer || head.tag == integer ||
           head.tag == small_big || head.tag == large_big;
}

bool is_atom(const Head& head) {
    return head.tag == atom || head.tag == small_atom ||
           head.tag == atom_utf8 || head.tag == small_atom_utf8;
}

bool is_latin1(const Head& head) {
    return head.tag == atom || head.tag == small_atom;
}

bool is_of_node(const Head& head) {
    return head.tag == pid || head.tag == new_pid || head.tag == reference ||
           head.tag == new_reference || head.tag == newer_reference;
}

double float_of(const Head& head) {
    return std::bit_cast<double>(big_endian(head.body));
}

Magnitude magnitude_of(const Head& head) {
    Magnitude result;
    if (head.tag == small_integer) {
        result.bytes = head.body;
    } else if (head.tag == integer) {
        const auto value = static_cast<std::int32_t>(big_endian(head.body));
        result.negative = value < 0;
        auto left = static_cast<std::uint32_t>(value);
        for (left = result.negative ? 0 - left : left; left; left >>= 8)
            result.bytes += static_cast<char>(left);
    } else {
        result.negative = head.body[0] != 0;
        result.bytes = head.body.substr(1);
    }
    result.bytes.resize(result.bytes.find_last_not_of('\0') + 1);
    result.negative = result.negative && !result.bytes.empty();
    return result;
}

void write_big_endian(std::string& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        out += static_cast<char>(value >> shift);
}

}  // namespace sigra::phoenix::term
