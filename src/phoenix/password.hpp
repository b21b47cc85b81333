// Password hashes as Phoenix applications store them. All functions are
// thread-safe. All that compute a hash are slow by design.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigra::phoenix {

struct Argon2Cost {
    std::uint32_t memory_kib = 65536;
    std::uint32_t passes = 3;
    std::uint32_t lanes = 4;
};

// A stored hash over one of these limits is not computed.
inline constexpr Argon2Cost max_argon2_cost{262144, 10, 64};
inline constexpr int max_bcrypt_cost = 14;
inline constexpr std::uint32_t max_pbkdf2_rounds = 2'000'000;

enum class PasswordCheck {
    matches,
    differs,
    // These count as a wrong password, and are logged.
    unknown_scheme,
    malformed,  // truncated, or not of the form that its prefix says
    memory_over_bound,
    passes_over_bound,
    lanes_over_bound,
    cost_over_bound,
    rounds_over_bound,
    // Memory is exhausted. This says nothing about the password.
    failed,
};

// A message for the log; empty for `matches` and `differs`.
[[nodiscard]] std::string_view problem_of(PasswordCheck check);

// Accepts `$argon2id$`, `$argon2i$`, `$argon2d$`, `$2a$`, `$2b$`, `$2y$`,
// `$pbkdf2-sha512$` and `$pbkdf2-sha256$`. The limits are checked before
// anything is computed. bcrypt uses the first 72 bytes of a password. A NUL
// does not cut a password off: with a NUL among those 72 bytes, or for pbkdf2
// at its end, the password matches no hash.
[[nodiscard]] PasswordCheck verify_password(std::string_view hash,
                                            std::string_view password);

// Calls verify_password(). If there is no hash, or it cannot be computed, calls
// dummy_check() too, so that the time does not show it.
[[nodiscard]] PasswordCheck check_password(std::optional<std::string_view> hash,
                                           std::string_view password,
                                           const Argon2Cost& dummy);

// Takes as long as a check against a hash of this cost.
void dummy_check(std::string_view password, const Argon2Cost& cost);

// A PHC string with a new salt: Argon2.hash_pwd_salt. Empty on failure.
[[nodiscard]] std::string hash_argon2id(std::string_view password,
                                        const Argon2Cost& cost);

// True if `hash` is not argon2id (version 19), or has fewer passes or less
// memory than `cost`. The number of lanes does not make a hash weaker.
[[nodiscard]] bool needs_rehash(std::string_view hash, const Argon2Cost& cost);

}  // namespace sigra::phoenix
