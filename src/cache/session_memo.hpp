// Remembers the token of each session cookie whose signature was verified. A
// client sends the same cookie with many requests, and the signature needs to
// be verified only once.
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

// A set-associative hash table: 128 bytes for each of at most 131,072 cookies.
// It begins small and doubles when it is half full, so it takes at most 512
// bytes for each cookie that it holds. Entries that are removed are
// overwritten, because tokens are secrets. The cookies themselves are not
// stored.
//
// Doubling moves no entries. A new set is filled when it is first used, from
// the set that held its entries before.
class SessionMemo {
  public:
    struct Remembered {
        std::array<char, 32> token;  // raw
        TokenHash token_hash;
        // The `place` of Zone::find().
        std::uint32_t place_in_zone = no_cell;
    };

    // Which keys a cookie was verified with, as numbers that are unique in this
    // process.
    struct Keys {
        std::uint64_t cookies;
        std::uint64_t source;
    };

    SessionMemo();
    ~SessionMemo();
    SessionMemo(const SessionMemo&) = delete;
    SessionMemo& operator=(const SessionMemo&) = delete;

    // `value`: the value of the session cookie. Returns null if it is not known
    // with these keys. The result is valid until the next find() or remember().
    // Later it may belong to another cookie, but the memory stays, so it is
    // safe to write place_in_zone into it, which is only a hint.
    [[nodiscard]] Remembered* find(std::string_view value, const Keys& keys);
    void remember(std::string_view value, const Keys& keys,
                  const Remembered& what);

    static constexpr std::size_t ways = 8;
    static constexpr std::size_t max_sets = 16'384;

  private:
    // A few more bits of the hash, stored together for a whole set so that most
    // entries need not be read. 0: the entry is not in use.
    using Mark = std::uint8_t;
    using Marks = std::array<Mark, ways>;

    // A hash of a value: it gives the set, the preferred way in the set, and
    // the mark.
    struct Spot {
        std::uint32_t bits;

        [[nodiscard]] std::size_t set() const { return bits >> 8; }
        [[nodiscard]] std::size_t liked() const { return (bits >> 24) % ways; }
        [[nodiscard]] Mark mark() const {
            const auto mark = static_cast<Mark>(bits);
            return mark == 0 ? Mark{1} : mark;
        }
    };

    // Two cache lines, so that an entry that is not in the cache costs no more
    // than two misses.
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
    // The sets that have already been filled.
    std::bitset<max_sets> filled_;
};

}  // namespace sigra::cache
