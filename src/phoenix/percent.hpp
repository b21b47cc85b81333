// Percent-encoding, of paths and of forms.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// Letters, digits and -._~@: stay, as do those of `others`, and every other
// byte is escaped: whatever decodes it, as a path, as a form or as a part of a
// URL, finds the same.
[[nodiscard]] std::string percent_encode(std::string_view text,
                                         std::string_view others = "");

// Decoded once; what is no escape stays as it is.
[[nodiscard]] std::string percent_decode_lax(std::string_view text);

// application/x-www-form-urlencoded: a plus is a space; nullopt on a percent
// sign that begins no escape.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

}  // namespace sigra::phoenix
