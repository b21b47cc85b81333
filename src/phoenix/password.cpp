#include "phoenix/password.hpp"

#include <argon2.h>
#include <crypt.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <vector>

#include "phoenix/crypto.hpp"
#include "phoenix/encoding.hpp"

namespace sigra::phoenix {
namespace {

constexpr std::size_t salt_size = 16;
constexpr std::size_t hash_size = 32;

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == text.npos)
            return parts;
        text.remove_prefix(end + 1);
    }
}

// Accepts digits only, without a leading zero. A number that is too large
// yields UINT32_MAX, which is over all limits.
std::optional<std::uint32_t> number_of(std::string_view digits) {
    if (digits.empty() || digits[0] == '0' ||
        digits.find_first_not_of("0123456789") != digits.npos)
        return std::nullopt;
    std::uint32_t number = 0;
    const auto result =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return result.ec == std::errc() ? number : UINT32_MAX;
}

std::optional<std::uint32_t> number_after(std::string_view name,
                                          std::string_view text) {
    if (!text.starts_with(name))
        return std::nullopt;
    return number_of(text.substr(name.size()));
}

// Standard base64 without padding; `plus` is the character used for "+".
std::optional<std::string> base64_decode(std::string_view text, char plus) {
    std::string url(text);
    if (url.find_first_of("-_") != url.npos)
        return std::nullopt;
    std::ranges::replace(url, plus, '-');
    std::ranges::replace(url, '/', '_');
    return base64url_decode(url);
}

std::string base64_encode(std::string_view bytes) {
    auto text = base64url_encode(bytes);
    std::ranges::replace(text, '-', '+');
    std::ranges::replace(text, '_', '/');
    return text;
}

// ---- argon2

struct Argon2Hash {
    argon2_type type = Argon2_id;
    std::uint32_t version = ARGON2_VERSION_10;
    Argon2Cost cost;
    std::string salt, hash;
};

std::optional<argon2_type> argon2_type_of(std::string_view name) {
    if (name == "argon2id")
        return Argon2_id;
    if (name == "argon2i")
        return Argon2_i;
    if (name == "argon2d")
        return Argon2_d;
    return std::nullopt;
}

std::optional<Argon2Cost> argon2_cost_of(std::string_view text) {
    const auto parts = split(text, ',');
    if (parts.size() != 3)
        return std::nullopt;
    const auto memory = number_after("m=", parts[0]);
    const auto passes = number_after("t=", parts[1]);
    const auto lanes = number_after("p=", parts[2]);
    if (!memory || !passes || !lanes)
        return std::nullopt;
    return Argon2Cost{*memory, *passes, *lanes};
}

bool has_argon2_sizes(const Argon2Hash& hash) {
    return hash.salt.size() >= 8 && hash.salt.size() <= 64 &&
           hash.hash.size() >= 16 && hash.hash.size() <= 64 &&
           hash.hash.size() % 8 == 0 &&
           hash.cost.memory_kib / 8 >= hash.cost.lanes;
}

// Parses $argon2id$v=19$m=65536,t=3,p=4$salt$hash; without v= it is version 16.
std::optional<Argon2Hash> argon2_hash_of(std::string_view text) {
    auto parts = split(text, '$');
    if (parts.size() < 5 || !parts[0].empty())
        return std::nullopt;
    Argon2Hash result;
    if (const auto version = number_after("v=", parts[2])) {
        result.version = *version;
        parts.erase(parts.begin() + 2);
    }
    const auto type = argon2_type_of(parts[1]);
    if (!type || parts.size() != 5 ||
        (result.version != ARGON2_VERSION_10 &&
         result.version != ARGON2_VERSION_13))
        return std::nullopt;
    const auto cost = argon2_cost_of(parts[2]);
    auto salt = base64_decode(parts[3], '+');
    auto hash = base64_decode(parts[4], '+');
    if (!cost || !salt || !hash)
        return std::nullopt;
    return Argon2Hash{*type, result.version, *cost, *std::move(salt),
                      *std::move(hash)};
}

std::uint8_t* bytes_of(std::string& text) {
    return reinterpret_cast<std::uint8_t*>(text.data());
}

// libargon2's parameters are not const, but it does not write to the password
// or the salt without ARGON2_FLAG_CLEAR_*.
std::uint8_t* unwritten(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
}

// Runs on the calling thread only, because the thread pool limits how many
// checks run at once. Returns an empty string if there is no memory.
std::string argon2(const Argon2Hash& hash, std::string_view password) {
    std::string out(hash.hash.size(), '\0');
    argon2_context context{};
    context.out = bytes_of(out);
    context.outlen = static_cast<std::uint32_t>(out.size());
    context.pwd = unwritten(password);
    context.pwdlen = static_cast<std::uint32_t>(password.size());
    context.salt = unwritten(hash.salt);
    context.saltlen = static_cast<std::uint32_t>(hash.salt.size());
    context.t_cost = hash.cost.passes;
    context.m_cost = hash.cost.memory_kib;
    context.lanes = hash.cost.lanes;
    context.threads = 1;
    context.version = hash.version;
    context.flags = ARGON2_DEFAULT_FLAGS;
    return argon2_ctx(&context, hash.type) == ARGON2_OK ? out : std::string();
}

PasswordCheck compared(std::string_view computed, std::string_view stored) {
    if (computed.empty())
        return PasswordCheck::failed;
    return equal_constant_time(computed, stored) ? PasswordCheck::matches
                                                 : PasswordCheck::differs;
}

PasswordCheck verify_argon2(std::string_view text, std::string_view password) {
    const auto hash = argon2_hash_of(text);
    if (!hash)
        return PasswordCheck::malformed;
    if (hash->cost.memory_kib > max_argon2_cost.memory_kib)
        return PasswordCheck::memory_over_bound;
    if (hash->cost.passes > max_argon2_cost.passes)
        return PasswordCheck::passes_over_bound;
    if (hash->cost.lanes > max_argon2_cost.lanes)
        return PasswordCheck::lanes_over_bound;
    if (!has_argon2_sizes(*hash))
        return PasswordCheck::malformed;
    return compared(argon2(*hash, password), hash->hash);
}

// ---- bcrypt

struct WipeCryptData {
    void operator()(crypt_data* data) const {
        OPENSSL_cleanse(data, sizeof *data);
        delete data;
    }
};

PasswordCheck verify_bcrypt(std::string_view text, std::string_view password) {
    constexpr std::size_t prefix = 7, whole = 60, read_bytes = 72;
    constexpr std::string_view alphabet =
        "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (text.size() != whole || text[prefix - 1] != '$' ||
        text.find_first_not_of(alphabet, prefix) != text.npos ||
        text.find_first_not_of("0123456789", 4) < prefix - 1)
        return PasswordCheck::malformed;
    const int cost = (text[4] - '0') * 10 + (text[5] - '0');
    if (cost > max_bcrypt_cost)
        return PasswordCheck::cost_over_bound;
    // A copy, because crypt_r() needs a NUL-terminated string.
    const Secret key(std::string(password.substr(0, read_bytes)));
    const std::string setting(text);
    const std::unique_ptr<crypt_data, WipeCryptData> data(new crypt_data());
    const char* computed =
        crypt_r(key.view().data(), setting.c_str(), data.get());
    if (!computed || computed[0] == '*')
        return PasswordCheck::malformed;
    const auto result = compared(computed, text);
    return key.view().find('\0') == key.view().npos ? result
                                                    : PasswordCheck::differs;
}

// ---- pbkdf2

PasswordCheck verify_pbkdf2(std::string_view text, std::string_view password) {
    const auto parts = split(text, '$');
    if (parts.size() != 5)
        return PasswordCheck::malformed;
    const auto rounds = number_of(parts[2]);
    const auto salt = base64_decode(parts[3], '.');
    const auto hash = base64_decode(parts[4], '.');
    if (!rounds || !salt || salt->empty() || !hash ||
        (hash->size() != 32 && hash->size() != 64))
        return PasswordCheck::malformed;
    if (*rounds > max_pbkdf2_rounds)
        return PasswordCheck::rounds_over_bound;
    const KeyOptions options{
        static_cast<int>(*rounds), hash->size(),
        parts[1] == "pbkdf2-sha512" ? Digest::sha512 : Digest::sha256};
    const auto result = compared(derive_key(password, *salt, options), *hash);
    // HMAC pads its key with NULs, so a password with NULs at the end would
    // match too.
    return password.ends_with('\0') ? PasswordCheck::differs : result;
}

struct Scheme {
    std::string_view prefix;
    PasswordCheck (*verify)(std::string_view hash, std::string_view password);
};

constexpr std::array<Scheme, 8> schemes{{
    {"$argon2id$", verify_argon2},
    {"$argon2i$", verify_argon2},
    {"$argon2d$", verify_argon2},
    {"$2b$", verify_bcrypt},
    {"$2a$", verify_bcrypt},
    {"$2y$", verify_bcrypt},
    {"$pbkdf2-sha512$", verify_pbkdf2},
    {"$pbkdf2-sha256$", verify_pbkdf2},
}};

}  // namespace

std::string_view problem_of(PasswordCheck check) {
    switch (check) {
        case PasswordCheck::matches:
        case PasswordCheck::differs:
            return {};
        case PasswordCheck::unknown_scheme:
            return "the stored password hash has an unknown scheme";
        case PasswordCheck::malformed:
            return "the stored password hash is malformed or cut off";
        case PasswordCheck::memory_over_bound:
            return "the stored argon2 hash asks for more than 256 MiB";
        case PasswordCheck::passes_over_bound:
            return "the stored argon2 hash asks for more than 10 passes";
        case PasswordCheck::lanes_over_bound:
            return "the stored argon2 hash asks for more than 64 lanes";
        case PasswordCheck::cost_over_bound:
            return "the stored bcrypt hash has a cost over 14";
        case PasswordCheck::rounds_over_bound:
            return "the stored pbkdf2 hash asks for more than 2000000 rounds";
        case PasswordCheck::failed:
            return "no memory to compute a password hash";
    }
    return {};
}

PasswordCheck verify_password(std::string_view hash,
                              std::string_view password) {
    for (const auto& scheme : schemes)
        if (hash.starts_with(scheme.prefix))
            return scheme.verify(hash, password);
    return PasswordCheck::unknown_scheme;
}

PasswordCheck check_password(std::optional<std::string_view> hash,
                             std::string_view password,
                             const Argon2Cost& dummy) {
    const auto check =
        hash ? verify_password(*hash, password) : PasswordCheck::differs;
    if (!hash || !problem_of(check).empty())
        dummy_check(password, dummy);
    return check;
}

void dummy_check(std::string_view password, const Argon2Cost& cost) {
    const Argon2Hash hash{Argon2_id, ARGON2_VERSION_13, cost,
                          std::string(salt_size, 's'),
                          std::string(hash_size, '\0')};
    (void)compared(argon2(hash, password), hash.hash);
}

std::string hash_argon2id(std::string_view password, const Argon2Cost& cost) {
    const Argon2Hash hash{Argon2_id, ARGON2_VERSION_13, cost,
                          random_bytes(salt_size),
                          std::string(hash_size, '\0')};
    if (hash.salt.empty())
        return {};
    const auto computed = argon2(hash, password);
    if (computed.empty())
        return {};
    return "$argon2id$v=19$m=" + std::to_string(cost.memory_kib) +
           ",t=" + std::to_string(cost.passes) +
           ",p=" + std::to_string(cost.lanes) + '$' + base64_encode(hash.salt) +
           '$' + base64_encode(computed);
}

bool needs_rehash(std::string_view hash, const Argon2Cost& cost) {
    const auto stored = argon2_hash_of(hash);
    return !stored || stored->type != Argon2_id ||
           stored->version != ARGON2_VERSION_13 ||
           stored->cost.memory_kib < cost.memory_kib ||
           stored->cost.passes < cost.passes;
}

}  // namespace sigra::phoenix
