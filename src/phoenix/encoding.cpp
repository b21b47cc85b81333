#include "phoenix/encoding.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sigra::phoenix {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint32_t invalid = 0x80000000;

constexpr std::array<std::uint32_t, 256> make_values() {
    std::array<std::uint32_t, 256> values{};
    values.fill(invalid);
    for (std::uint32_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = i;
    return values;
}

constexpr auto values = make_values();

std::uint32_t value_at(std::string_view text, std::size_t at) {
    return values[static_cast<unsigned char>(text[at])];
}

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
}

// Decodes the last two or three characters: one or two bytes, and unused bits,
// which must be zero.
bool decode_tail(std::string_view tail, std::string& out, std::size_t at) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < tail.size(); ++i)
        bits |=
            value_at(tail, i) << (18 - 6 * i) | (value_at(tail, i) & invalid);
    const std::uint32_t unused = tail.size() == 2 ? 0xffff : 0xff;
    if (bits & (invalid | unused))
        return false;
    out[at] = static_cast<char>(bits >> 16);
    if (tail.size() == 3)
        out[at + 1] = static_cast<char>(bits >> 8);
    return true;
}

// How many bytes follow a UTF-8 lead byte, and the range of the second byte,
// from the table in RFC 3629.
struct Utf8Lead {
    std::size_t more;
    unsigned char least, greatest;
};

std::optional<Utf8Lead> utf8_lead(unsigned char lead) {
    if (lead < 0x80)
        return Utf8Lead{0, 0, 0};
    if (lead >= 0xc2 && lead <= 0xdf)
        return Utf8Lead{1, 0x80, 0xbf};
    if (lead >= 0xe0 && lead <= 0xef)
        return Utf8Lead{2,
                        static_cast<unsigned char>(lead == 0xe0 ? 0xa0 : 0x80),
                        static_cast<unsigned char>(lead == 0xed ? 0x9f : 0xbf)};
    if (lead >= 0xf0 && lead <= 0xf4)
        return Utf8Lead{3,
                        static_cast<unsigned char>(lead == 0xf0 ? 0x90 : 0x80),
                        static_cast<unsigned char>(lead == 0xf4 ? 0x8f : 0xbf)};
    return std::nullopt;
}

bool continues(std::string_view rest, const Utf8Lead& lead) {
    if (rest.size() <= lead.more)
        return false;
    for (std::size_t i = 1; i <= lead.more; ++i) {
        const auto byte = byte_at(rest, i);
        const auto least = i == 1 ? lead.least : 0x80;
        const auto greatest = i == 1 ? lead.greatest : 0xbf;
        if (byte < static_cast<std::uint32_t>(least) ||
            byte > static_cast<std::uint32_t>(greatest))
            return false;
    }
    return true;
}

}  // namespace

std::optional<std::string> base64url_decode(std::string_view text) {
    const std::size_t tail = text.size() % 4;
    if (tail == 1)
        return std::nullopt;
    const std::size_t whole = text.size() - tail;
    std::string out(whole / 4 * 3 + (tail ? tail - 1 : 0), '\0');
    std::size_t at = 0;
    for (std::size_t i = 0; i < whole; i += 4, at += 3) {
        const auto a = value_at(text, i), b = value_at(text, i + 1);
        const auto c = value_at(text, i + 2), d = value_at(text, i + 3);
        if ((a | b | c | d) & invalid)
            return std::nullopt;
        const auto bits = a << 18 | b << 12 | c << 6 | d;
        out[at] = static_cast<char>(bits >> 16);
        out[at + 1] = static_cast<char>(bits >> 8);
        out[at + 2] = static_cast<char>(bits);
    }
    if (tail && !decode_tail(text.substr(whole), out, at))
        return std::nullopt;
    return out;
}

std::string base64url_encode(std::string_view bytes) {
    const std::size_t tail = bytes.size() % 3;
    const std::size_t whole = bytes.size() - tail;
    std::string out(whole / 3 * 4 + (tail ? tail + 1 : 0), '\0');
    std::size_t at = 0;
    for (std::size_t i = 0; i < whole; i += 3, at += 4) {
        const auto bits = byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 |
                          byte_at(bytes, i + 2);
        out[at] = alphabet[bits >> 18];
        out[at + 1] = alphabet[bits >> 12 & 63];
        out[at + 2] = alphabet[bits >> 6 & 63];
        out[at + 3] = alphabet[bits & 63];
    }
    if (tail) {
        const auto bits = byte_at(bytes, whole) << 16 |
                          (tail == 2 ? byte_at(bytes, whole + 1) << 8 : 0);
        out[at] = alphabet[bits >> 18];
        out[at + 1] = alphabet[bits >> 12 & 63];
        if (tail == 2)
            out[at + 2] = alphabet[bits >> 6 & 63];
    }
    return out;
}

std::string base64url_encode_padded(std::string_view bytes) {
    auto out = base64url_encode(bytes);
    out.append((4 - out.size() % 4) % 4, '=');
    return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    if (text.size() % 2 != 0)
        return std::nullopt;
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto high = digits.find(text[i]), low = digits.find(text[i + 1]);
        if (high == digits.npos || low == digits.npos)
            return std::nullopt;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

std::string hex_encode(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out(bytes.size() * 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        out[2 * i] = digits[byte_at(bytes, i) >> 4];
        out[2 * i + 1] = digits[byte_at(bytes, i) & 15];
    }
    return out;
}

bool is_text(std::string_view text) {
    return utf8_length(text) && text.find('\0') == text.npos;
}

std::string first_characters(std::string_view text, std::size_t count) {
    std::size_t end = 0;
    for (; end < text.size() && count > 0; count--) {
        end++;
        while (end < text.size() &&
               (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80)
            end++;
    }
    return std::string(text.substr(0, end));
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return std::ranges::equal(a, b, {}, lower, lower);
}

std::optional<std::size_t> utf8_length(std::string_view text) {
    std::size_t count = 0;
    while (!text.empty()) {
        const auto lead = utf8_lead(static_cast<unsigned char>(text[0]));
        if (!lead || !continues(text, *lead))
            return std::nullopt;
        text.remove_prefix(lead->more + 1);
        ++count;
    }
    return count;
}

}  // namespace sigra::phoenix
