// Plug.CSRFProtection's state and masked token.
#pragma once

#include <string>
#include <string_view>

namespace sigra::phoenix {

// 24 characters: base64url of 18 random bytes; empty on failure.
[[nodiscard]] std::string new_csrf_state();

// Is this a state that a token can be made of: 24 bytes.
[[nodiscard]] bool is_csrf_state(std::string_view state);

// 56 characters with a fresh mask each time; empty where `state` is none.
[[nodiscard]] std::string mask_csrf(std::string_view state);

// Does the 56-character `token` fit `state`; compared in constant time.
// The host-bound form and the bare 24-character state are refused.
[[nodiscard]] bool csrf_matches(std::string_view state, std::string_view token);

}  // namespace sigra::phoenix
