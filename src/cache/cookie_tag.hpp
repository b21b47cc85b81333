// A tag that stands for a cookie's value: 32 bytes, made in a fraction of the
// time of a signature. NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway,
// 1999) with words of 64 bits, twice, the second time with the key moved on by
// a pair of words (Toeplitz): two values of one length that differ have the
// same tag with a probability of at most 2^-128, for whoever does not know the
// key. It is each worker's own and no tag leaves it.
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

    // With a key from the system's generator; throws where there is none.
    CookieTagger();
    ~CookieTagger();
    CookieTagger(const CookieTagger&) = delete;
    CookieTagger& operator=(const CookieTagger&) = delete;

    // `value`: at most max_value bytes. Its length is not in the tag.
    [[nodiscard]] CookieTag tag(std::string_view value) const;

    // For another use than the tag: a number that nobody knows.
    [[nodiscard]] std::uint64_t salt() const { return key_.back(); }

  private:
    // A pair for each 16 bytes, one more for the second pass, and the salt.
    std::array<std::uint64_t, max_value / 8 + 3> key_;
};

}  // namespace sigra::cache
