#include "phoenix/percent.hpp"

namespace sigra::phoenix {
namespace {

std::optional<unsigned> hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return std::nullopt;
}

// Decodes an escape at the front of the text.
std::optional<char> escaped_byte(std::string_view text) {
    if (text.size() < 3 || text[0] != '%')
        return std::nullopt;
    const auto high = hex_digit(text[1]), low = hex_digit(text[2]);
    if (!high || !low)
        return std::nullopt;
    return static_cast<char>(*high << 4 | *low);
}

bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~@:").find(c) != std::string_view::npos;
}

}  // namespace

std::string percent_encode(std::string_view text, std::string_view others) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_plain(c) || others.find(c) != others.npos) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string percent_decode_lax(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = escaped_byte(text.substr(i));
        out += byte.value_or(text[i]);
        i += byte ? 2 : 0;
    }
    return out;
}

std::optional<std::string> form_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = escaped_byte(text.substr(i));
        if (text[i] == '%' && !byte)
            return std::nullopt;
        out += byte.value_or(text[i] == '+' ? ' ' : text[i]);
        i += byte ? 2 : 0;
    }
    return out;
}

}  // namespace sigra::phoenix
