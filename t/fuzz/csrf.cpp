// The input is a state of 24 bytes, then a token. The token is accepted only if
// its two halves, decoded by a simple reader, combine to the state.
#include "phoenix/csrf.hpp"

#include <string>

#include "fuzz.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

// Decodes six bits at a time; "" if `text` is not base64url.
std::string unpacked(std::string_view text) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    unsigned held = 0, bits = 0;
    for (const char c : text) {
        const auto value = alphabet.find(c);
        if (value == alphabet.npos)
            return {};
        held = held << 6 | static_cast<unsigned>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(held >> bits);
        }
    }
    return out;
}

bool slow_match(std::string_view state, std::string_view token) {
    if (state.size() != 24 || token.size() != 56)
        return false;
    auto text = unpacked(token.substr(0, 32));
    if (text.size() != 24)
        return false;
    for (std::size_t i = 0; i < 24; ++i)
        text[i] = static_cast<char>(text[i] ^ token[32 + i]);
    return text == state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto input = sigra::fuzz::text_of(data, size);
    const auto state = input.substr(0, 24);
    const auto token = input.substr(state.size());
    require(csrf_matches(state, token) == slow_match(state, token),
            "fits as a slow reader finds");
    auto masked = mask_csrf(state);
    require(masked.empty() != is_csrf_state(state), "a token of a state");
    if (masked.empty())
        return sigra::fuzz::accepted;
    require(csrf_matches(state, masked) && slow_match(state, masked),
            "a masked state fits");
    auto& byte = masked[size % masked.size()];
    byte = byte == 'A' ? 'B' : 'A';
    require(!csrf_matches(state, masked), "an altered token fits");
    return sigra::fuzz::accepted;
}
