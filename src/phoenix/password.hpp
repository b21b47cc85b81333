// Password hashes as Phoenix applications store them. Everything here may run
// on several threads at once, and all but needs_rehash is slow by design.
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

// Past these a stored hash is not computed.
inline constexpr Argon2Cost max_argon2_cost{262144, 10, 64};
inline constexpr int max_bcrypt_cost = 14;
inline constexpr std::uint32_t max_pbkdf2_rounds = 2'000'000;

enum class PasswordCheck {
    matches,
    differs,
    // What follows is a wrong password and worth a line in the log:
    unknown_scheme,
    malformed,  // cut off, or otherwise not what its prefix says
    memory_over_bound,
    passes_over_bound,
    lanes_over_bound,
    cost_over_bound,
    rounds_over_bound,
    // ... and this a failure of ours: no memory was left.
    failed,
};

// For the log; empty for `matches` and `differs`.
[[nodiscard]] std::string_view problem_of(PasswordCheck check);

// `$argon2id$`, `$argon2i$`, `$argon2d$`, `$2a$`, `$2b$`, `$2y$`,
// `$pbkdf2-sha512$`, `$pbkdf2-sha256$`; the bounds are asked before any work.
// bcrypt reads the first 72 bytes of a password. A NUL never shortens one: with
// a NUL among those 72, or in pbkdf2 at its end, it matches nothing.
[[nodiscard]] PasswordCheck verify_password(std::string_view hash,
                                            std::string_view password);

// verify_password, and where there is no hash or none that can be computed,
// dummy_check() in its place.
[[nodiscard]] PasswordCheck check_password(std::optional<std::string_view> hash,
                                           std::string_view password,
                                           const Argon2Cost& dummy);

// Takes as long as a check against a hash of this cost.
void dummy_check(std::string_view password, const Argon2Cost& cost);

// A PHC string with a fresh salt: Argon2.hash_pwd_salt; empty on failure.
[[nodiscard]] std::string hash_argon2id(std::string_view password,
                                        const Argon2Cost& cost);

// Is `hash` of another scheme than argon2id (version 19), or of fewer passes
// or less memory than `cost`. Lanes make a hash no weaker.
[[nodiscard]] bool needs_rehash(std::string_view hash, const Argon2Cost& cost);

}  // namespace sigra::phoenix
