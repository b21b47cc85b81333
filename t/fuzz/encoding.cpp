// Text encodings: a text that decodes is what encoding its bytes gives.
#include "phoenix/encoding.hpp"

#include <string>

#include "fuzz.hpp"
#include "phoenix/percent.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

// UTF-8 by its definition; nullopt if a number is not a code point.
std::optional<std::size_t> slow_utf8_length(std::string_view text) {
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    std::size_t count = 0;
    for (std::size_t at = 0; at < text.size(); ++count) {
        const auto first = static_cast<std::uint8_t>(text[at]);
        const std::size_t width = first < 0x80             ? 1
                                  : (first & 0xe0) == 0xc0 ? 2
                                  : (first & 0xf0) == 0xe0 ? 3
                                  : (first & 0xf8) == 0xf0 ? 4
                                                           : 0;
        if (width == 0 || width > text.size() - at)
            return std::nullopt;
        std::uint32_t point = width == 1 ? first : first & (0x7f >> width);
        for (std::size_t i = 1; i < width; ++i) {
            const auto next = static_cast<std::uint8_t>(text[at + i]);
            if ((next & 0xc0) != 0x80)
                return std::nullopt;
            point = point << 6 | (next & 0x3f);
        }
        if (point < least[width] || point > 0x10ffff ||
            (point >= 0xd800 && point < 0xe000))
            return std::nullopt;
        at += width;
    }
    return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto text = sigra::fuzz::text_of(data, size);
    if (const auto bytes = base64url_decode(text))
        require(base64url_encode(*bytes) == text, "base64url is strict");
    require(base64url_decode(base64url_encode(text)) == text, "there and back");
    require(base64url_encode_padded(text).size() == (size + 2) / 3 * 4,
            "padded to fours");
    require(hex_encode(text).size() == 2 * size, "two digits a byte");
    require(utf8_length(text) == slow_utf8_length(text), "UTF-8");
    require(equal_ignoring_case(text, text), "equal to itself");
    const auto strict = form_decode(text);
    const auto lax = percent_decode_lax(text);
    require(lax.size() <= size, "decoding never lengthens");
    if (strict && text.find('+') == text.npos)
        require(*strict == lax, "without a plus both read the same");
    return sigra::fuzz::accepted;
}
