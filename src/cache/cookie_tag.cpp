#include "cache/cookie_tag.hpp"

#include <sodium.h>

#include <cstring>
#include <stdexcept>
#include <string>

#include "phoenix/crypto.hpp"

namespace sigra::nginx {
namespace {

__extension__ using Wide = unsigned __int128;

struct Pair {
    std::uint64_t first, second;
};

Wide product(const Pair& words, const std::uint64_t* key) {
    return Wide{words.first + key[0]} * (words.second + key[1]);
}

std::uint64_t low(Wide x) {
    return static_cast<std::uint64_t>(x);
}
std::uint64_t high(Wide x) {
    return static_cast<std::uint64_t>(x >> 64);
}

}  // namespace

CookieTagger::CookieTagger() {
    std::string random = phoenix::random_bytes(sizeof(key_));
    if (random.size() != sizeof(key_)) {
        throw std::runtime_error("no random bytes for the session memo");
    }
    std::memcpy(key_.data(), random.data(), sizeof(key_));
    phoenix::wipe(random);
}

CookieTagger::~CookieTagger() {
    sodium_memzero(key_.data(), sizeof(key_));
}

[[gnu::hot]] CookieTag CookieTagger::tag(std::string_view value) const {
    Wide one = 0;
    Wide two = 0;
    const std::uint64_t* key = key_.data();
    Pair words;
    for (; value.size() >= sizeof(words); key += 2) {
        std::memcpy(&words, value.data(), sizeof(words));
        one += product(words, key);
        two += product(words, key + 2);
        value.remove_prefix(sizeof(words));
    }
    if (!value.empty()) {
        words = {};
        std::memcpy(&words, value.data(), value.size());
        one += product(words, key);
        two += product(words, key + 2);
    }
    return {low(one), high(one), low(two), high(two)};
}

}  // namespace sigra::nginx
