// The few primitives that the formats are made of, all from OpenSSL and
// libsodium.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sigra::phoenix {

enum class Digest { sha256, sha384, sha512 };
// As OpenSSL calls it.
[[nodiscard]] const char* digest_name(Digest digest);

// 32 bytes.
using Sha256 = std::array<char, 32>;
[[nodiscard]] Sha256 sha256(std::string_view bytes);

// From the system's generator; an empty string when it has none to give,
// which callers must treat as a failure.
[[nodiscard]] std::string random_bytes(std::size_t count);

// Time depends on the lengths alone: Plug.Crypto.secure_compare.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

// Overwrites, to the end of its storage, in a way that the compiler keeps; the
// string is empty then.
void wipe(std::string& secret);

// Bytes that are wiped when they are replaced, moved or gone. Its one copy
// stands here: nothing copies it, and a move wipes what it leaves behind, the
// buffer inside a short string too.
class Secret {
  public:
    Secret() = default;
    // Takes the bytes, and wipes what is left of them in `bytes`.
    explicit Secret(std::string&& bytes) noexcept;
    ~Secret();
    Secret(Secret&& other) noexcept;
    Secret& operator=(Secret&& other) noexcept;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;

    [[nodiscard]] std::string_view view() const { return bytes_; }

  private:
    std::string bytes_;
};

struct KeyOptions {
    int iterations = 1000;
    std::size_t length = 32;
    Digest digest = Digest::sha256;
};

// PBKDF2-HMAC: Plug.Crypto.KeyGenerator.generate. Slow by design: at start-up
// only. Empty on failure (a length or count of zero).
[[nodiscard]] std::string derive_key(std::string_view secret,
                                     std::string_view salt,
                                     const KeyOptions& options);

}  // namespace sigra::phoenix
