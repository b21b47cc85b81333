#include "cache/cookie_tag.hpp"

#include <sodium.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace sigra::cache {
namespace {

__extension__ using Wide = unsigned __int128;

struct Pair {
    std::uint64_t first, second;
};

Pair pair_at(const char* bytes) {
    Pair words;
    std::memcpy(&words, bytes, sizeof(words));
    return words;
}

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
    auto* bytes = reinterpret_cast<char*>(key_.data());
    for (std::size_t have = 0; have < sizeof(key_);) {
        const ssize_t got = getrandom(bytes + have, sizeof(key_) - have, 0);
        if (got < 0 && errno != EINTR) {
            throw std::runtime_error("no random bytes for the session memo");
        }
        have += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
}

CookieTagger::~CookieTagger() {
    sodium_memzero(key_.data(), sizeof(key_));
}

// The last words of a value overlap those before them: of values of one length
// those that differ still differ in their words.
[[gnu::hot]] CookieTag CookieTagger::tag(std::string_view value) const {
    Wide one = 0;
    Wide two = 0;
    const std::uint64_t* key = key_.data();
    const auto add = [&](const Pair& words) {
        one += product(words, key);
        two += product(words, key + 2);
    };
    if (value.size() < sizeof(Pair)) {
        Pair words{};
        value.copy(reinterpret_cast<char*>(&words), sizeof(words));
        add(words);
        return {low(one), high(one), low(two), high(two)};
    }
    const char* last = value.data() + value.size() - sizeof(Pair);
#pragma GCC unroll 4
    for (const char* at = value.data(); at < last; at += sizeof(Pair)) {
        add(pair_at(at));
        key += 2;
    }
    add(pair_at(last));
    return {low(one), high(one), low(two), high(two)};
}

}  // namespace sigra::cache
