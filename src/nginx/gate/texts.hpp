// What is said to visitors, in a language that they read.
#pragma once

#include <string>
#include <string_view>

#include "nginx/ngx.hpp"
#include "phoenix/messages.hpp"

namespace sigra::nginx {

// A text of whatever language.
using Text = std::string phoenix::Messages::*;

// By Accept-Language, of auth_sigra_messages where the request is.
[[nodiscard]] const phoenix::Messages& messages_for(ngx_http_request_t* r);

[[nodiscard]] inline std::string_view say(ngx_http_request_t* r, Text text) {
    return messages_for(r).*text;
}

// Adds what tells caches and readers of the language that the answer is in;
// nothing where there is but one. False when memory is out.
[[nodiscard]] bool add_language(ngx_http_request_t* r);

}  // namespace sigra::nginx
