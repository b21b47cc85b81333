// Text forms of bytes, as Elixir's Base module writes them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// RFC 4648 section 5 without padding. Strict: returns nullopt for padding,
// other alphabets, an impossible length, and unused bits that are not zero.
[[nodiscard]] std::optional<std::string> base64url_decode(
    std::string_view text);

// Without padding: Base.url_encode64(bytes, padding: false).
[[nodiscard]] std::string base64url_encode(std::string_view bytes);

// With padding: Base.url_encode64(bytes), as live_socket_id has it.
[[nodiscard]] std::string base64url_encode_padded(std::string_view bytes);

// Lower case: Base.encode16(bytes, case: :lower).
[[nodiscard]] std::string hex_encode(std::string_view bytes);

// Accepts pairs of lower-case digits only; nullopt for anything else.
[[nodiscard]] std::optional<std::string> hex_decode(std::string_view text);

// True for UTF-8 without NUL, which is what PostgreSQL accepts as text.
[[nodiscard]] bool is_text(std::string_view text);
// The first `count` characters of a UTF-8 text.
[[nodiscard]] std::string first_characters(std::string_view text,
                                           std::size_t count);

// Ignores the case of ASCII letters only.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

// The number of code points; nullopt if `text` is not valid UTF-8 (RFC 3629: no
// overlong forms, no surrogates). NUL counts as a code point.
[[nodiscard]] std::optional<std::size_t> utf8_length(std::string_view text);

}  // namespace sigra::phoenix
