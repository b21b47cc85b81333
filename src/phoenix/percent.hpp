// Percent-encoding for paths and forms.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// Escapes all bytes except letters, digits, -._~@: and those in `others`. The
// result decodes to the same text as a path, a form or a part of a URL.
[[nodiscard]] std::string percent_encode(std::string_view text,
                                         std::string_view others = "");

// Decodes once; a percent sign that begins no escape is kept.
[[nodiscard]] std::string percent_decode_lax(std::string_view text);

// Decodes application/x-www-form-urlencoded, in which a plus is a space.
// Returns nullopt if a percent sign begins no escape.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

}  // namespace sigra::phoenix
