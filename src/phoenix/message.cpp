#include "phoenix/message.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <utility>

#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

struct FreeOpenssl {
    void operator()(EVP_MD* md) const { EVP_MD_free(md); }
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Md = std::unique_ptr<EVP_MD, FreeOpenssl>;
using Context = std::unique_ptr<EVP_MD_CTX, FreeOpenssl>;

constexpr std::string_view written_protected = "SFMyNTY";
constexpr std::array<std::pair<std::string_view, Digest>, 3> algorithms{{
    {written_protected, Digest::sha256},
    {"SFMzODQ", Digest::sha384},
    {"SFM1MTI", Digest::sha512},
}};

struct Mac {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
    unsigned size = 0;

    std::string_view view() const {
        return {reinterpret_cast<const char*>(bytes.data()), size};
    }
};

bool finish(EVP_MD_CTX* work, std::string_view message, Mac& mac) {
    return EVP_DigestUpdate(work, message.data(), message.size()) == 1 &&
           EVP_DigestFinal_ex(work, mac.bytes.data(), &mac.size) == 1;
}

// Returns a digest context that has read the padded key, xored with `pad`. Null
// on failure.
Context keyed(const EVP_MD* md, std::string_view key, unsigned char pad) {
    std::array<unsigned char, 128> block;
    block.fill(pad);
    const auto block_size = static_cast<std::size_t>(EVP_MD_get_block_size(md));
    Context context(EVP_MD_CTX_new());
    if (!context || block_size > block.size() || key.size() > block_size)
        return nullptr;
    for (std::size_t i = 0; i < key.size(); ++i)
        block[i] ^= static_cast<unsigned char>(key[i]);
    const bool ok = EVP_DigestInit_ex(context.get(), md, nullptr) == 1 &&
                    EVP_DigestUpdate(context.get(), block.data(), block_size);
    OPENSSL_cleanse(block.data(), block.size());
    return ok ? std::move(context) : nullptr;
}

// HMAC as two digest contexts that have read the key, which are copied for each
// message. That takes half the time of EVP_MAC_CTX_dup(), which allocates three
// times.
class Hmac {
  public:
    Hmac() = default;
    Hmac(Digest digest, std::string_view key) {
        const Md md(EVP_MD_fetch(nullptr, digest_name(digest), nullptr));
        if (!md)
            return;
        Mac short_key;
        const auto block =
            static_cast<std::size_t>(EVP_MD_get_block_size(md.get()));
        if (key.size() > block) {
            if (EVP_Digest(key.data(), key.size(), short_key.bytes.data(),
                           &short_key.size, md.get(), nullptr) != 1)
                return;
            key = short_key.view();
        }
        inner_ = keyed(md.get(), key, 0x36);
        outer_ = keyed(md.get(), key, 0x5c);
        OPENSSL_cleanse(short_key.bytes.data(), short_key.bytes.size());
    }

    bool compute(EVP_MD_CTX* work, std::string_view message, Mac& mac) const {
        if (!inner_ || !outer_ || !work)
            return false;
        Mac digest;
        return EVP_MD_CTX_copy_ex(work, inner_.get()) == 1 &&
               finish(work, message, digest) &&
               EVP_MD_CTX_copy_ex(work, outer_.get()) == 1 &&
               finish(work, digest.view(), mac);
    }

  private:
    Context inner_;
    Context outer_;
};

constexpr std::string_view encrypted_prefix = "XCP.";
constexpr std::string_view additional_data = "A128GCM";
constexpr std::size_t iv_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(iv_size == 24 && tag_size == 16);

unsigned char* bytes_of(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct Verifier::State {
    std::array<Hmac, algorithms.size()> macs;
    Context work{EVP_MD_CTX_new()};
};

// An empty key is what derive_key() returns on failure, and anybody could sign
// with it. Such a verifier signs and verifies nothing.
Verifier::Verifier(std::string_view key)
    : state_(key.empty() ? nullptr : std::make_unique<State>()) {
    if (!state_)
        return;
    for (std::size_t i = 0; i < algorithms.size(); ++i)
        state_->macs[i] = Hmac(algorithms[i].second, key);
}
Verifier::~Verifier() = default;
Verifier::Verifier(Verifier&&) noexcept = default;
Verifier& Verifier::operator=(Verifier&&) noexcept = default;

std::string Verifier::sign(std::string_view payload) const {
    std::string message(written_protected);
    message += '.';
    message += base64url_encode(payload);
    Mac mac;
    if (!state_ || !state_->macs[0].compute(state_->work.get(), message, mac))
        return {};
    message += '.';
    message += base64url_encode(mac.view());
    return message;
}

std::optional<std::string> Verifier::verify(std::string_view message) const {
    const auto first = message.find('.');
    const auto second = message.find('.', first + 1);
    if (!state_ || second == message.npos)
        return std::nullopt;
    const auto named = std::ranges::find(algorithms, message.substr(0, first),
                                         [](const auto& a) { return a.first; });
    if (named == algorithms.end())
        return std::nullopt;
    const auto& hmac =
        state_->macs[static_cast<std::size_t>(named - algorithms.begin())];
    Mac mac;
    // The base64 texts are compared, so that a signature has only one valid
    // spelling.
    if (!hmac.compute(state_->work.get(), message.substr(0, second), mac) ||
        !equal_constant_time(base64url_encode(mac.view()),
                             message.substr(second + 1)))
        return std::nullopt;
    return base64url_decode(message.substr(first + 1, second - first - 1));
}

Encryptor::Encryptor(std::string_view key) {
    if (key.size() == key_length && sodium_init() >= 0)
        key_ = key;
}
Encryptor::~Encryptor() {
    wipe(key_);
}
Encryptor::Encryptor(Encryptor&&) noexcept = default;
Encryptor& Encryptor::operator=(Encryptor&& other) noexcept {
    std::swap(key_, other.key_);
    return *this;
}

std::string Encryptor::encrypt(std::string_view payload) const {
    auto sealed = random_bytes(iv_size);
    if (sealed.empty() || key_.empty())
        return {};
    sealed.resize(iv_size + tag_size + payload.size());
    unsigned char* iv = bytes_of(sealed);
    if (crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
            iv + iv_size + tag_size, iv + iv_size, nullptr, bytes_of(payload),
            payload.size(), bytes_of(additional_data), additional_data.size(),
            nullptr, iv, bytes_of(key_)) != 0)
        return {};
    return std::string(encrypted_prefix) + base64url_encode(sealed);
}

std::optional<std::string> Encryptor::decrypt(std::string_view message) const {
    if (!message.starts_with(encrypted_prefix) || key_.empty())
        return std::nullopt;
    const auto sealed =
        base64url_decode(message.substr(encrypted_prefix.size()));
    if (!sealed || sealed->size() < iv_size + tag_size)
        return std::nullopt;
    const unsigned char* iv = bytes_of(*sealed);
    std::string payload(sealed->size() - iv_size - tag_size, '\0');
    if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
            bytes_of(payload), nullptr, iv + iv_size + tag_size, payload.size(),
            iv + iv_size, bytes_of(additional_data), additional_data.size(), iv,
            bytes_of(key_)) != 0)
        return std::nullopt;
    return payload;
}

void Sealer::add(Verifier verifier) {
    verifiers_.push_back(std::move(verifier));
}

void Sealer::add(Encryptor encryptor) {
    encryptors_.push_back(std::move(encryptor));
}

bool Sealer::empty() const {
    return verifiers_.empty() && encryptors_.empty();
}

std::string Sealer::seal(std::string_view payload) const {
    if (!encryptors_.empty())
        return encryptors_.front().encrypt(payload);
    return verifiers_.empty() ? std::string() : verifiers_[0].sign(payload);
}

std::optional<std::string> Sealer::open(std::string_view message) const {
    for (const auto& encryptor : encryptors_)
        if (auto payload = encryptor.decrypt(message))
            return payload;
    if (!encryptors_.empty())
        return std::nullopt;
    for (const auto& verifier : verifiers_)
        if (auto payload = verifier.verify(message))
            return payload;
    return std::nullopt;
}

}  // namespace sigra::phoenix
