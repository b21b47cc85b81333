// Which token a session cookie's value came to. A session's life is many
// requests with the same cookie, and its signature is right each time.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "cache/cookie_tag.hpp"
#include "cache/entry.hpp"
#include "cache/pages.hpp"
#include "cache/zone_layout.hpp"

namespace sigra::cache {

// Bounded: 128 bytes for each of 131,072 cookies at most. The table begins
// small and doubles when it is half full, so that it never takes more than 512
// bytes for each cookie that it knows. What goes is overwritten: tokens are
// secrets. The cookies themselves are not kept.
//
// A doubling moves nothing. A set that has come to be by it is filled when it
// is first asked for, from the set that stood for both before.
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
    // location's keys; else what it came to, until the next find() or
    // remember(). Later it may be another's, but it is still there: to
    // write a place into it does no harm.
    [[nodiscard]] Remembered* find(std::string_view value, const Keys& keys);
    void remember(std::string_view value, const Keys& keys,
                  const Remembered& what);

    static constexpr std::size_t ways = 8;
    static constexpr std::size_t max_sets = 16'384;

  private:
    // More of what says the place, beside those of the set's others; 0: the
    // entry is not in use.
    using Mark = std::uint8_t;
    using Marks = std::array<Mark, ways>;

    // What is taken of a value to find its place: its set, the way that it
    // likes in it, and its mark.
    struct Spot {
        std::uint32_t bits;

        [[nodiscard]] std::size_t set() const { return bits >> 8; }
        [[nodiscard]] std::size_t liked() const { return (bits >> 24) % ways; }
        [[nodiscard]] Mark mark() const {
            const auto mark = static_cast<Mark>(bits);
            return mark == 0 ? Mark{1} : mark;
        }
    };

    // Two cache lines, so that a session that was not seen for a while costs
    // no more of them.
    struct alignas(64) Entry {
        CookieTag tag;
        std::uint64_t cookies;
        std::uint64_t source;
        std::uint32_t length;
        Spot spot;
        Remembered what;

        [[nodiscard]] bool is_of(const CookieTag& other_tag,
                                 std::size_t other_length,
                                 const Keys& keys) const;
    };
    static_assert(sizeof(Entry) == 128);
    static_assert(std::is_trivially_copyable_v<Entry>);

    [[nodiscard]] Spot spot_of(std::string_view value) const;
    [[nodiscard]] Entry* set_at(std::size_t set) const {
        return entries_.as<Entry>() + set * ways;
    }
    [[nodiscard]] Marks& marks_of(std::size_t set) const {
        return marks_.as<Marks>()[set];
    }
    [[nodiscard]] Remembered* look(std::size_t set, Spot spot,
                                   const CookieTag& tag, std::size_t length,
                                   const Keys& keys) const;
    [[nodiscard, gnu::cold, gnu::noinline]] Remembered* fill_and_look(
        std::size_t set, Spot spot, const CookieTag& tag, std::size_t length,
        const Keys& keys);
    void fill(std::size_t set);
    void make_room(std::size_t set);
    void grow();
    [[nodiscard]] std::size_t way_for(std::size_t set, Spot spot);

    CookieTagger tagger_;
    Pages entries_;  // max_sets * ways, of which mask_ + 1 sets are in use
    Pages marks_;    // of each set
    std::size_t mask_;
    std::size_t used_ = 0;  // entries
    // Which sets need not be filled from another any more.
    std::bitset<max_sets> filled_;
};

}  // namespace sigra::cache
