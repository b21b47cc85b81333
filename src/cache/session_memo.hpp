// Which token a session cookie's value came to. A session's life is many
// requests with the same cookie, and its signature is right each time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cache/cookie_tag.hpp"
#include "cache/zone_layout.hpp"

namespace sigra::cache {

// Bounded: 128 bytes for each of 131,072 cookies at most, in memory that is not
// touched before it is used, 2 MB at a time where there are huge pages. What
// goes is overwritten: tokens are secrets. The cookies themselves are not kept.
class SessionMemo {
  public:
    struct Remembered {
        std::array<char, 32> token;  // raw
        TokenHash token_hash;
        // Zone::find()'s.
        std::uint32_t place_in_zone = no_cell;
    };

    // Whose keys a cookie was opened with: numbers of no others in this
    // process.
    struct Keys {
        std::uint64_t cookies;
        std::uint64_t source;
    };

    SessionMemo();
    ~SessionMemo();
    SessionMemo(const SessionMemo&) = delete;
    SessionMemo& operator=(const SessionMemo&) = delete;

    // `value`: the session cookie's. Null where it is not known under the
    // location's keys; else what it came to, until the next remember().
    [[nodiscard]] Remembered* find(std::string_view value, const Keys& keys);
    void remember(std::string_view value, const Keys& keys,
                  const Remembered& what);

  private:
    // Two cache lines, so that a session that was not seen for a while costs
    // no more of them.
    struct alignas(64) Entry {
        CookieTag tag;
        std::uint64_t cookies;
        std::uint64_t source;
        std::uint64_t length;
        Remembered what;

        [[nodiscard]] bool is_of(const CookieTag& other_tag,
                                 std::size_t other_length,
                                 const Keys& keys) const;
    };
    static_assert(sizeof(Entry) == 128);
    static_assert(std::is_trivially_destructible_v<Entry>);

    static constexpr std::size_t ways = 8;
    static constexpr std::size_t sets = 16'384;
    static constexpr std::size_t memory = sets * ways * sizeof(Entry);
    struct Freed {
        void operator()(Entry* entries) const;
    };
    // More of what says the place, beside those of the set's others; 0: the
    // entry was never written.
    using Mark = std::uint8_t;
    using Marks = std::array<Mark, ways>;
    struct Place {
        std::size_t set;
        std::size_t liked;  // way
        Mark mark;
    };

    [[nodiscard]] Place place_of(std::string_view value) const;
    [[nodiscard]] std::size_t way_for(const Place& place) const;

    CookieTagger tagger_;
    std::vector<Marks> marks_;
    std::unique_ptr<Entry[], Freed> entries_;  // sets * ways
};

}  // namespace sigra::cache
