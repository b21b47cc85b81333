// The module's texts for visitors, in their language.
#pragma once

#include <string>
#include <string_view>

#include "nginx/ngx.hpp"
#include "phoenix/messages.hpp"

namespace sigra::nginx {

// One of the texts, in any language.
using Text = std::string phoenix::Messages::*;

// The texts in the language that Accept-Language prefers, of those in the
// location's auth_sigra_messages; English where it has none.
[[nodiscard]] const phoenix::Messages& messages_for(ngx_http_request_t* r);

[[nodiscard]] inline std::string_view say(ngx_http_request_t* r, Text text) {
    return messages_for(r).*text;
}

// Adds Content-Language and Vary for caches and screen readers; nothing where
// there is only English. False when memory is out.
[[nodiscard]] bool add_language(ngx_http_request_t* r);

}  // namespace sigra::nginx
