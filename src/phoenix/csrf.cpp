#include "phoenix/csrf.hpp"

#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::size_t state_size = 24;
constexpr std::size_t state_random_bytes = 18;
constexpr std::size_t masked_size = 32;

std::string exclusive_or(std::string_view a, std::string_view b) {
    std::string out(a);
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<char>(out[i] ^ b[i]);
    return out;
}

}  // namespace

std::string new_csrf_state() {
    return base64url_encode(random_bytes(state_random_bytes));
}

bool is_csrf_state(std::string_view state) {
    return state.size() == state_size;
}

std::string mask_csrf(std::string_view state) {
    const auto mask = new_csrf_state();
    if (!is_csrf_state(state) || !is_csrf_state(mask))
        return {};
    return base64url_encode(exclusive_or(state, mask)) + mask;
}

bool csrf_matches(std::string_view state, std::string_view token) {
    if (!is_csrf_state(state) || token.size() != masked_size + state_size)
        return false;
    const auto masked = base64url_decode(token.substr(0, masked_size));
    return masked &&
           equal_constant_time(
               state, exclusive_or(*masked, token.substr(masked_size)));
}

}  // namespace sigra::phoenix
