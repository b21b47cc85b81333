// The cryptographic primitives of the formats, from OpenSSL and libsodium.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace sigra::phoenix {

enum class Digest { sha256, sha384, sha512 };
// OpenSSL's name for it.
[[nodiscard]] const char* digest_name(Digest digest);

// 32 bytes.
using Sha256 = std::array<char, 32>;
[[nodiscard]] Sha256 sha256(std::string_view bytes);

// Random bytes from OpenSSL's generator. Returns an empty string on failure,
// which callers must check.
[[nodiscard]] std::string random_bytes(std::size_t count);

// Compares in a time that depends only on the lengths:
// Plug.Crypto.secure_compare.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

// Overwrites the whole capacity of the string, in a way that the compiler does
// not optimize away, and makes the string empty.
void wipe(std::string& secret);

// Bytes that are wiped when they are replaced, moved or destroyed. A Secret
// cannot be copied, and a move wipes the source, also the buffer inside a short
// string.
class Secret {
  public:
    Secret() = default;
    // Moves the bytes in, and wipes `bytes`.
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

// PBKDF2-HMAC: Plug.Crypto.KeyGenerator.generate. Slow by design, so it is used
// only at start-up. Empty on failure, as with a length or count of zero.
[[nodiscard]] std::string derive_key(std::string_view secret,
                                     std::string_view salt,
                                     const KeyOptions& options);

}  // namespace sigra::phoenix
