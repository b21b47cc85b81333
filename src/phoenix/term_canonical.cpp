#include "phoenix/term_canonical.hpp"

#include <bit>

namespace sigra::phoenix::term {
namespace {

void write_atom(std::string& out, const Head& head) {
    std::string utf8;
    for (const char character : head.body) {
        const auto byte = static_cast<unsigned char>(character);
        if (is_latin1(head) && byte >= 0x80) {
            utf8 += static_cast<char>(0xc0 | byte >> 6);
            utf8 += static_cast<char>(0x80 | (byte & 0x3f));
        } else {
            utf8 += character;
        }
    }
    out += static_cast<char>(atom_utf8);
    write_big_endian(out, utf8.size(), 2);
    out += utf8;
}

void write_integer(std::string& out, const Head& head) {
    const auto magnitude = magnitude_of(head);
    if (!magnitude.negative && magnitude.bytes.size() == 1) {
        out += static_cast<char>(small_integer);
    } else {
        out += static_cast<char>(magnitude.negative ? small_big : large_big);
        write_big_endian(out, magnitude.bytes.size(), 4);
    }
    out += magnitude.bytes;
}

// Writes a string as the list that it is equal to.
void write_string(std::string& out, const Head& head) {
    for (const char character : head.body) {
        out += static_cast<char>(list);
        write_integer(out, Head{.tag = small_integer,
                                .body = std::string_view(&character, 1)});
    }
    out += static_cast<char>(nil);
}

// Clears the bits of the last byte that do not belong to the bitstring.
void write_bits(std::string& out, const Head& head, std::string_view bytes) {
    const int unused = 8 - head.body[0];
    out += bytes.substr(0, head.size);
    out.back() = static_cast<char>(static_cast<unsigned char>(out.back()) >>
                                   unused << unused);
}

// Writes a pid or a reference. The creation is one byte before OTP 23, and four
// since then.
void write_of_node(std::string& out, const Head& head) {
    const auto node = head_of(head.body);
    auto numbers = node ? head.body.substr(node->size) : head.body;
    const bool is_pid = head.tag == pid || head.tag == new_pid;
    const bool wide = head.tag == new_pid || head.tag == newer_reference;
    const std::size_t width = wide ? 4 : 1;
    const bool creation_last = is_pid || head.tag == reference;
    const auto creation =
        numbers.substr(creation_last ? numbers.size() - width : 0, width);
    if (creation_last)
        numbers.remove_suffix(width);
    else
        numbers.remove_prefix(width);
    out += static_cast<char>(is_pid ? new_pid : newer_reference);
    write_big_endian(out, head.count, 2);
    if (node)
        write_atom(out, *node);
    out.append(4 - width, '\0');
    out += creation;
    out += numbers;
}

}  // namespace

void write_canonical_leaf(std::string& out, const Head& head,
                          std::string_view bytes) {
    switch (head.tag) {
        case binary:
        case nil:
            out += bytes.substr(0, head.size);
            break;
        case bit_binary:
            write_bits(out, head, bytes);
            break;
        case new_float:  // 0.0 and -0.0 were one key until OTP 27
            out += static_cast<char>(new_float);
            write_big_endian(
                out, std::bit_cast<std::uint64_t>(float_of(head) + 0.0), 8);
            break;
        case string:
            write_string(out, head);
            break;
        default:
            if (is_atom(head))
                write_atom(out, head);
            else if (is_of_node(head))
                write_of_node(out, head);
            else
                write_integer(out, head);
    }
}

}  // namespace sigra::phoenix::term
