// The login's fields, from the bodies that Phoenix takes: urlencoded,
// multipart or JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "phoenix/crypto.hpp"

namespace sigra::phoenix {

// Past these a body is refused.
inline constexpr std::size_t max_form_size = 8192;
inline constexpr std::size_t max_form_fields = 100;
inline constexpr std::size_t max_form_depth = 8;

enum class FormType { urlencoded, json, multipart };

// From a Content-Type header, parameters ignored; nullopt: another type.
[[nodiscard]] std::optional<FormType> form_type_of(
    std::string_view content_type);

struct LoginForm {
    // As sent, but for ASCII blanks around it: perhaps no UTF-8.
    std::optional<std::string> email;
    std::optional<Secret> password;  // none: a magic link is asked for
    bool remember_me = false;        // the field's last value is "true"
    std::string csrf_token;
    std::string method;     // _method, as sent
    std::string return_to;  // as sent
    // An email or a password stands in it more than once, under one name or
    // two: another reader may take another of them.
    bool ambiguous = false;
    bool has_email = false, has_password = false;  // named, be it with null
};

enum class FormError {
    too_large,  // over max_form_size
    malformed,  // a bad escape or delimiter, no JSON object, a field that is
                // no text; or too many fields, or too deep
};

// Reads `user[email]`, `email` and in JSON {"user": {"email": …}} alike, where
// `singular` is "user"; the last value of a field counts. JSON's true and
// false are texts, null is no value. Unknown fields are skipped, files among
// them. A NUL byte is a byte. `content_type`: the header, which has a
// multipart body's boundary.
[[nodiscard]] std::variant<LoginForm, FormError> read_form(
    std::string_view body, FormType type, std::string_view singular,
    std::string_view content_type = "");

}  // namespace sigra::phoenix
