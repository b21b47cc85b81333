// The term reader compared with a simple one, and with input that is cut off or
// has one more byte.
#include "phoenix/term.hpp"

#include <string>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

std::uint64_t number(std::string_view bytes, std::size_t at, int width) {
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i)
        value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    return value;
}

// The length of the term at `at`, which checked() has accepted.
std::size_t slow_length(std::string_view bytes, std::size_t at) {
    require(at < bytes.size(), "a term begins within the bytes");
    std::uint64_t inside = 0;
    std::size_t end = at + 1;
    const auto count = [&](int width) {
        require(end + width <= bytes.size(), "a count within the bytes");
        const auto value = number(bytes, end, width);
        end += width;
        return value;
    };
    switch (static_cast<std::uint8_t>(bytes[at])) {
        case 97:
            end += 1;
            break;
        case 98:
            end += 4;
            break;
        case 70:
            end += 8;
            break;
        case 110:
            end += count(1) + 1;
            break;
        case 111:
            end += count(4) + 1;
            break;
        case 115:
        case 119:
            end += count(1);
            break;
        case 100:
        case 107:
        case 118:
            end += count(2);
            break;
        case 109:
            end += count(4);
            break;
        case 104:
            inside = count(1);
            break;
        case 105:
            inside = count(4);
            break;
        case 106:
            break;
        case 77:
            end += count(4) + 1;
            break;
        case 103:
            end += slow_length(bytes, end) + 9;
            break;
        case 88:
            end += slow_length(bytes, end) + 12;
            break;
        case 101:
            end += slow_length(bytes, end) + 5;
            break;
        case 114: {
            const auto words = count(2);
            end += slow_length(bytes, end) + 1 + 4 * words;
            break;
        }
        case 90: {
            const auto words = count(2);
            end += slow_length(bytes, end) + 4 + 4 * words;
            break;
        }
        case 108:
            inside = count(4) + 1;
            break;
        case 116:
            inside = count(4) * 2;
            break;
        default:
            require(false, "a tag that may be read");
    }
    require(end <= bytes.size(), "a term ends within the bytes");
    for (std::uint64_t i = 0; i < inside; ++i)
        end += slow_length(bytes, end);
    return end - at;
}

// Limited in depth, because each level is read again from its beginning.
void read_all(std::string_view term, int levels = 64) {
    if (levels == 0)
        return;
    (void)term::as_binary(term);
    (void)term::as_atom(term);
    (void)term::as_float(term);
    if (const auto number = term::as_number(term);
        number && !number->overflow) {
        std::string written;
        term::write_integer(written, number->value);
        const auto again = term::as_number(written);
        require(again && !again->overflow && again->value == number->value,
                "an integer reads as it was written");
    }
    if (const auto elements = term::as_tuple(term))
        for (const auto element : *elements)
            read_all(element, levels - 1);
    if (const auto pairs = term::as_map(term))
        for (const auto& [key, value] : *pairs) {
            read_all(key, levels - 1);
            read_all(value, levels - 1);
        }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const std::string bytes(sigra::fuzz::text_of(data, size));
    const auto root = term::checked(bytes);
    if (!root)
        return sigra::fuzz::accepted;
    require(root->size() == bytes.size() - 1, "the whole of the bytes");
    require(term::length(*root) == root->size(), "the length of the whole");
    require(slow_length(*root, 0) == root->size(), "the same slowly");
    read_all(*root);
    require(!term::checked(bytes + bytes[0]), "a byte more is refused");
    require(!term::checked(bytes.substr(0, size - 1)), "cut off is refused");
    return sigra::fuzz::accepted;
}
