// Percent-encoding, of paths and of forms.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

// Letters, digits and -._~@: stay, and every other byte is escaped: whatever
// decodes it, as a path, as a form or as a part of a URL, finds the same.
[[nodiscard]] std::string percent_encode(std::string_view text);

// Decoded once; what is no escape stays as it is.
[[nodiscard]] std::string percent_decode_lax(std::string_view text);

// application/x-www-form-urlencoded: a plus is a space; nullopt on a percent
// sign that begins no escape.
[[nodiscard]] std::optional<std::string> form_decode(std::string_view text);

// For a value in a URL's query: all but unreserved characters, `/` and `:` is
// written as an escape.
[[nodiscard]] std::string query_encode(std::string_view text);

}  // namespace sigra::phoenix
