// Signed and encrypted messages: Plug.Crypto.MessageVerifier and
// Plug.Crypto.MessageEncryptor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::phoenix {

// Signs and verifies with one key. The keyed HMAC contexts are made once and
// copied for each message. Not for use from two threads at once.
class Verifier {
  public:
    explicit Verifier(std::string_view key);
    ~Verifier();
    Verifier(Verifier&&) noexcept;
    Verifier& operator=(Verifier&&) noexcept;

    // "SFMyNTY." payload "." signature; empty on failure.
    [[nodiscard]] std::string sign(std::string_view payload) const;

    // The payload's bytes; nullopt on a bad signature or form. HMAC-SHA256,
    // 384 and 512 are read. The payload is decoded after its signature holds.
    [[nodiscard]] std::optional<std::string> verify(
        std::string_view message) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// XChaCha20-Poly1305 with one key of 32 bytes; additional data "A128GCM".
class Encryptor {
  public:
    static constexpr std::size_t key_length = 32;

    explicit Encryptor(std::string_view key);
    ~Encryptor();
    Encryptor(Encryptor&&) noexcept;
    Encryptor& operator=(Encryptor&&) noexcept;

    // "XCP." base64url(iv[24] tag[16] ciphertext); empty on failure.
    [[nodiscard]] std::string encrypt(std::string_view payload) const;
    [[nodiscard]] std::optional<std::string> decrypt(
        std::string_view message) const;

  private:
    std::string key_;
};

// The keys of one cookie, newest first: the first seals, all of them open, so
// that a secret can be rotated. Holds verifiers or encryptors, never both:
// where a cookie is encrypted, a signed one is refused.
class Sealer {
  public:
    Sealer() = default;
    void add(Verifier verifier);
    void add(Encryptor encryptor);

    [[nodiscard]] bool empty() const;
    [[nodiscard]] std::string seal(std::string_view payload) const;
    [[nodiscard]] std::optional<std::string> open(
        std::string_view message) const;

  private:
    std::vector<Verifier> verifiers_;
    std::vector<Encryptor> encryptors_;
};

}  // namespace sigra::phoenix
