// The state and the masked token of Plug.CSRFProtection. The state is kept in
// the session; forms carry a masked token made of it.
#pragma once

#include <string>
#include <string_view>

namespace sigra::phoenix {

// 24 characters: base64url of 18 random bytes; empty on failure.
[[nodiscard]] std::string new_csrf_state();

// True if a token can be made of this state: it has 24 bytes.
[[nodiscard]] bool is_csrf_state(std::string_view state);

// A token of 56 characters, with a new mask each time. Empty if `state` is not
// valid or there are no random bytes.
[[nodiscard]] std::string mask_csrf(std::string_view state);

// True if the 56-character `token` belongs to `state`; compared in constant
// time. Plug's host-bound tokens and the unmasked state are refused.
[[nodiscard]] bool csrf_matches(std::string_view state, std::string_view token);

}  // namespace sigra::phoenix
