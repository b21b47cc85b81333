#include "phoenix/crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sodium.h>

#include <climits>
#include <memory>
#include <utility>

namespace sigra::phoenix {
namespace {

struct FreeMd {
    void operator()(EVP_MD* md) const { EVP_MD_free(md); }
};

// Fetched once, because fetching costs three times as much as a digest.
const EVP_MD* fetched_sha256() {
    static const std::unique_ptr<EVP_MD, FreeMd> md(
        EVP_MD_fetch(nullptr, "SHA256", nullptr));
    return md.get();
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Sha256 sha256(std::string_view bytes) {
    Sha256 hash;
    auto* out = reinterpret_cast<unsigned char*>(hash.data());
    const EVP_MD* md = fetched_sha256();
    // If OpenSSL fails, libsodium computes the hash, which cannot fail. With a
    // hash of zeros, all tokens would be the same.
    if (!md ||
        EVP_Digest(bytes.data(), bytes.size(), out, nullptr, md, nullptr) != 1)
        crypto_hash_sha256(out, bytes_of(bytes), bytes.size());
    return hash;
}

std::string random_bytes(std::size_t count) {
    if (count > INT_MAX)
        return {};
    std::string bytes(count, '\0');
    if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()),
                   static_cast<int>(count)) != 1)
        return {};
    return bytes;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) {
    secret.resize(secret.capacity());
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

Secret::Secret(std::string&& bytes) noexcept : bytes_(std::move(bytes)) {
    wipe(bytes);
}

Secret::~Secret() {
    wipe(bytes_);
}

Secret::Secret(Secret&& other) noexcept : Secret(std::move(other.bytes_)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe(bytes_);
        bytes_ = std::move(other.bytes_);
        wipe(other.bytes_);
    }
    return *this;
}

const char* digest_name(Digest digest) {
    switch (digest) {
        case Digest::sha256:
            return "SHA256";
        case Digest::sha384:
            return "SHA384";
        case Digest::sha512:
            return "SHA512";
    }
    return "";
}

std::string derive_key(std::string_view secret, std::string_view salt,
                       const KeyOptions& options) {
    if (options.iterations < 1 || options.length == 0 ||
        options.length > INT_MAX || secret.size() > INT_MAX ||
        salt.size() > INT_MAX)
        return {};
    const std::unique_ptr<EVP_MD, FreeMd> md(
        EVP_MD_fetch(nullptr, digest_name(options.digest), nullptr));
    std::string key(options.length, '\0');
    if (!md || PKCS5_PBKDF2_HMAC(
                   secret.data(), static_cast<int>(secret.size()),
                   bytes_of(salt), static_cast<int>(salt.size()),
                   options.iterations, md.get(), static_cast<int>(key.size()),
                   reinterpret_cast<unsigned char*>(key.data())) != 1)
        return {};
    return key;
}

}  // namespace sigra::phoenix
