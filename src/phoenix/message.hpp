// Signed and encrypted messages, as Plug.Crypto.MessageVerifier and
// Plug.Crypto.MessageEncryptor write them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigra::phoenix {

// Signs and verifies with one key. The HMAC contexts are prepared once and
// copied for each message. Not thread-safe.
class Verifier {
  public:
    explicit Verifier(std::string_view key);
    ~Verifier();
    Verifier(Verifier&&) noexcept;
    Verifier& operator=(Verifier&&) noexcept;

    // "SFMyNTY." payload "." signature; empty on failure.
    [[nodiscard]] std::string sign(std::string_view payload) const;

    // Returns the payload, or nullopt if the signature or the format is wrong.
    // Accepts HMAC with SHA-256, SHA-384 and SHA-512. The payload is decoded
    // only after the signature was verified.
    [[nodiscard]] std::optional<std::string> verify(
        std::string_view message) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// XChaCha20-Poly1305 with one key of 32 bytes and the additional data
// "A128GCM". With a key of another length, nothing is encrypted or decrypted.
class Encryptor {
  public:
    static constexpr std::size_t key_length = 32;

    explicit Encryptor(std::string_view key);
    ~Encryptor();
    Encryptor(Encryptor&&) noexcept;
    Encryptor& operator=(Encryptor&&) noexcept;

    // "XCP." base64url(iv[24] tag[16] ciphertext); empty on failure.
    [[nodiscard]] std::string encrypt(std::string_view payload) const;
    // Returns the payload, or nullopt if the message is not authentic.
    [[nodiscard]] std::optional<std::string> decrypt(
        std::string_view message) const;

  private:
    std::string key_;
};

// The keys of one cookie, newest first. The first one seals and all of them
// open, so that a secret can be rotated. "Sealing" is encrypting if there are
// encryptors, and signing otherwise. With encryptors, a signed cookie is
// refused.
class Sealer {
  public:
    Sealer() = default;
    void add(Verifier verifier);
    void add(Encryptor encryptor);

    [[nodiscard]] bool empty() const;
    // Empty on failure.
    [[nodiscard]] std::string seal(std::string_view payload) const;
    // Returns the payload, or nullopt if no key opens the message.
    [[nodiscard]] std::optional<std::string> open(
        std::string_view message) const;

  private:
    std::vector<Verifier> verifiers_;
    std::vector<Encryptor> encryptors_;
};

}  // namespace sigra::phoenix
