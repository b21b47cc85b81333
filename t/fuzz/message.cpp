// Only sealed messages open: an input that opens must be what sealing its
// payload gives, and a sealed message with one altered byte does not open.
#include "phoenix/message.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include <string>

#include "fuzz.hpp"
#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"

namespace {

using namespace sigra::phoenix;
using sigra::fuzz::require;

// The keys of the session cookie in the vectors, so that the seeds open.
constexpr std::string_view secret =
    "vBOsNrMq1LxXVOjdTdhk7z4479BNSRiVzHZ9OSttHiyJ3IlAZXbqoDy4Ok9PEpTa";
const std::string signing_key = derive_key(secret, "iLejisiU", {});
const std::string encryption_key = derive_key(secret, "XtRbWVqw", {});
const Verifier verifier(signing_key);
const Encryptor encryptor(encryption_key);

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

std::string signed_slowly(std::string_view name, const EVP_MD* md,
                          std::string_view payload) {
    std::string message(name);
    message += '.' + base64url_encode(payload);
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    HMAC(md, signing_key.data(), static_cast<int>(signing_key.size()),
         bytes_of(message), message.size(), mac, &length);
    return message + '.' +
           base64url_encode({reinterpret_cast<const char*>(mac), length});
}

bool is_signed(std::string_view message, std::string_view payload) {
    return message == signed_slowly("SFMyNTY", EVP_sha256(), payload) ||
           message == signed_slowly("SFMzODQ", EVP_sha384(), payload) ||
           message == signed_slowly("SFM1MTI", EVP_sha512(), payload);
}

std::string encrypted_slowly(std::string_view iv, std::string_view payload) {
    constexpr std::string_view additional = "A128GCM";
    std::string text(payload.size(), '\0');
    unsigned char tag[crypto_aead_xchacha20poly1305_ietf_ABYTES];
    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
        reinterpret_cast<unsigned char*>(text.data()), tag, nullptr,
        bytes_of(payload), payload.size(), bytes_of(additional),
        additional.size(), nullptr, bytes_of(iv), bytes_of(encryption_key));
    std::string sealed(iv);
    sealed.append(reinterpret_cast<const char*>(tag), sizeof tag).append(text);
    return "XCP." + base64url_encode(sealed);
}

void check_opening(std::string_view message) {
    if (const auto payload = verifier.verify(message))
        require(is_signed(message, *payload), "only what was signed verifies");
    if (const auto payload = encryptor.decrypt(message)) {
        const auto sealed = base64url_decode(message.substr(4));
        require(sealed && message ==
                              encrypted_slowly(sealed->substr(0, 24), *payload),
                "only what was encrypted decrypts");
    }
}

// The input is the payload, and chooses the byte that is altered.
void check_sealing(std::string_view input) {
    const auto at = static_cast<std::uint8_t>(input[0]);
    const char change = static_cast<char>(input[1] ? input[1] : 1);
    const auto payload = input.substr(2);
    for (const bool encrypts : {false, true}) {
        auto message =
            encrypts ? encryptor.encrypt(payload) : verifier.sign(payload);
        const auto opened = [&] {
            return encrypts ? encryptor.decrypt(message)
                            : verifier.verify(message);
        };
        require(opened() == payload, "what was sealed opens");
        auto& byte = message[(at * 257u) % message.size()];
        byte = static_cast<char>(byte ^ change);
        require(!opened(), "an altered message opens");
        byte = static_cast<char>(byte ^ change);
        message.pop_back();
        require(!opened(), "a shortened message opens");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
    const auto input = sigra::fuzz::text_of(data, size);
    check_opening(input);
    if (size >= 2)
        check_sealing(input);
    return sigra::fuzz::accepted;
}
