// A keyed hash of a cookie's value, 32 bytes, much cheaper than the cookie's
// signature. It is NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway, 1999)
// with 64-bit words, computed twice, the second time with the key shifted by a
// pair of words (Toeplitz). For somebody who does not know the key, two
// different values of the same length have the same tag with a probability of
// at most 2^-128. Each worker has its own key, and tags do not leave it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sigra::cache {

using CookieTag = std::array<std::uint64_t, 4>;

class CookieTagger {
  public:
    static constexpr std::size_t max_value = 4096;

    // Makes a key with getrandom(2); throws std::runtime_error if that fails.
    CookieTagger();
    ~CookieTagger();
    CookieTagger(const CookieTagger&) = delete;
    CookieTagger& operator=(const CookieTagger&) = delete;

    // `value`: at most max_value bytes. The tag does not cover its length, so
    // callers must compare that too.
    [[nodiscard]] CookieTag tag(std::string_view value) const;

    // A secret random number that the tags do not depend on.
    [[nodiscard]] std::uint64_t salt() const { return key_.back(); }

  private:
    // A pair of words for each 16 bytes of a value, one more for the second
    // pass, and the salt.
    std::array<std::uint64_t, max_value / 8 + 3> key_;
};

}  // namespace sigra::cache
