// Reads the fields of a login from the body types that Phoenix accepts:
// urlencoded, multipart or JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "phoenix/crypto.hpp"

namespace sigra::phoenix {

// A body over one of these limits is refused.
inline constexpr std::size_t max_form_size = 8192;
inline constexpr std::size_t max_form_fields = 100;
inline constexpr std::size_t max_form_depth = 8;

enum class FormType { urlencoded, json, multipart };

// From a Content-Type header, ignoring parameters; nullopt for other types.
[[nodiscard]] std::optional<FormType> form_type_of(
    std::string_view content_type);

struct LoginForm {
    // Without ASCII white space around it; may be invalid UTF-8.
    std::optional<std::string> email;
    std::optional<Secret> password;  // nullopt: asks for a magic link
    bool remember_me = false;        // the field's last value is "true"
    std::string csrf_token;
    std::string method;     // _method, as sent
    std::string return_to;  // as sent
    // The email or the password occurs more than once, under the same name or
    // not, so another reader might use another one of them.
    bool ambiguous = false;
    bool has_email = false, has_password = false;  // also true for null
};

enum class FormError {
    too_large,  // over max_form_size
    malformed,  // a bad escape or delimiter, not a JSON object, a field that
                // is not a string; too many fields, or nested too deep
};

// With `singular` "user", `user[email]`, `email` and JSON's
// {"user": {"email": …}} are the same field. The last value of a field counts.
// JSON's true and false are read as strings, null as no value. Unknown fields,
// files included, are skipped. NUL bytes are kept. `content_type`: the header,
// which contains the boundary of a multipart body.
[[nodiscard]] std::variant<LoginForm, FormError> read_form(
    std::string_view body, FormType type, std::string_view singular,
    std::string_view content_type = "");

}  // namespace sigra::phoenix
