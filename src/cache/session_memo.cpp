#include "cache/session_memo.hpp"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace sigra::cache {
namespace {

constexpr std::size_t first_sets = 8;
// The size in bytes from which the table uses huge pages. Access is random, and
// with small pages a TLB miss costs more than reading the entry.
constexpr std::size_t large_table = 2 * Pages::huge_page;

}  // namespace

SessionMemo::SessionMemo()
    : entries_(max_sets * ways * sizeof(Entry)),
      marks_(max_sets * sizeof(Marks)),
      mask_(first_sets - 1) {
    for (std::size_t set = 0; set < first_sets; set++) {
        filled_.set(set);
    }
}

SessionMemo::~SessionMemo() {
    for (std::size_t set = 0; set <= mask_; set++) {
        for (std::size_t way = 0; way < ways; way++) {
            if (marks_of(set)[way] != 0) {
                sodium_memzero(&set_at(set)[way], sizeof(Entry));
            }
        }
    }
}

// Hashes the end of the value, which belongs to a signature or an
// authentication tag and so is as good as random. It is cheaper than the tag,
// so that the memory can be prefetched while the tag is computed. The secret
// salt prevents clients from choosing which entries they evict.
SessionMemo::Spot SessionMemo::spot_of(std::string_view value) const {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    std::uint64_t end = 0;
    if (value.size() >= sizeof(end)) {
        std::memcpy(&end, value.data() + value.size() - sizeof(end),
                    sizeof(end));
    }
    return {static_cast<std::uint32_t>(((end ^ tagger_.salt()) * odd) >> 32)};
}

// Inline, because each request runs it.
inline bool SessionMemo::Entry::is_of(const CookieTag& other_tag,
                                      std::size_t other_length,
                                      const Keys& keys) const {
    return ((tag[0] ^ other_tag[0]) | (tag[1] ^ other_tag[1]) |
            (tag[2] ^ other_tag[2]) | (tag[3] ^ other_tag[3]) |
            (length ^ other_length)) == 0 &&
           cookies == keys.cookies && source == keys.source;
}

inline SessionMemo::Remembered* SessionMemo::look(std::size_t set, Spot spot,
                                                  const CookieTag& tag,
                                                  std::size_t length,
                                                  const Keys& keys) const {
    const Marks& marks = marks_of(set);
    Entry* entries = set_at(set);
    for (std::size_t i = 0; i < ways; i++) {
        const std::size_t way = (spot.liked() + i) % ways;
        if (marks[way] == spot.mark() &&
            entries[way].is_of(tag, length, keys)) {
            return &entries[way].what;
        }
    }
    return nullptr;
}

// Most entries are in their preferred way, so that one is prefetched before the
// tag is known.
[[gnu::hot]] SessionMemo::Remembered* SessionMemo::find(std::string_view value,
                                                        const Keys& keys) {
    if (value.size() > CookieTagger::max_value) {
        return nullptr;
    }
    const Spot spot = spot_of(value);
    const std::size_t set = spot.set() & mask_;
    const Entry* liked = set_at(set) + spot.liked();
    __builtin_prefetch(&marks_of(set));
    __builtin_prefetch(&liked->tag);
    __builtin_prefetch(&liked->what);
    const CookieTag tag = tagger_.tag(value);
    Remembered* found = look(set, spot, tag, value.size(), keys);
    return found != nullptr ? found
                            : fill_and_look(set, spot, tag, value.size(), keys);
}

SessionMemo::Remembered* SessionMemo::fill_and_look(std::size_t set, Spot spot,
                                                    const CookieTag& tag,
                                                    std::size_t length,
                                                    const Keys& keys) {
    if (filled_[set]) {
        return nullptr;
    }
    fill(set);
    return look(set, spot, tag, length, keys);
}

// Fills a new set from the set with the same number without its highest bit.
// Takes the entries that belong here or in sets that will be filled from here.
void SessionMemo::fill(std::size_t set) {
    if (filled_[set]) {
        return;
    }
    const std::size_t highest = std::bit_floor(set);
    const std::size_t before = set - highest;
    fill(before);
    filled_.set(set);
    for (std::size_t way = 0; way < ways; way++) {
        Mark& mark = marks_of(before)[way];
        Entry& entry = set_at(before)[way];
        if (mark != 0 && (entry.spot.set() & (2 * highest - 1)) == set) {
            set_at(set)[way] = entry;
            marks_of(set)[way] = mark;
            mark = 0;
            sodium_memzero(&entry, sizeof(entry));
        }
    }
}

// Moves entries that belong in sets not filled yet out of this set.
void SessionMemo::make_room(std::size_t set) {
    for (std::size_t bit = std::bit_ceil(set + 1); bit <= mask_; bit *= 2) {
        fill(set + bit);
    }
}

void SessionMemo::grow() {
    const std::size_t sets = mask_ + 1;
    if (used_ <= sets * ways / 2 || sets == max_sets) {
        return;
    }
    mask_ = 2 * sets - 1;
    const std::size_t table = 2 * sets * ways * sizeof(Entry);
    if (table >= large_table) {
        entries_.want_huge(table);
    }
}

// Returns a free way. If there is none, the preferred one is overwritten, which
// is as good as a random choice.
std::size_t SessionMemo::way_for(std::size_t set, Spot spot) {
    const Marks& marks = marks_of(set);
    for (int pass = 0; pass < 2; pass++) {
        if (marks[spot.liked()] == 0) {
            return spot.liked();
        }
        const auto* free = std::find(marks.begin(), marks.end(), Mark{0});
        if (free != marks.end()) {
            return static_cast<std::size_t>(free - marks.begin());
        }
        make_room(set);
    }
    return spot.liked();
}

void SessionMemo::remember(std::string_view value, const Keys& keys,
                           const Remembered& what) {
    if (value.size() > CookieTagger::max_value) {
        return;
    }
    grow();
    const Spot spot = spot_of(value);
    const std::size_t set = spot.set() & mask_;
    fill(set);
    const std::size_t way = way_for(set, spot);
    Mark& mark = marks_of(set)[way];
    used_ += mark == 0 ? 1 : 0;
    mark = spot.mark();
    new (&set_at(set)[way]) Entry{tagger_.tag(value),
                                  keys.cookies,
                                  keys.source,
                                  static_cast<std::uint32_t>(value.size()),
                                  spot,
                                  what};
}

}  // namespace sigra::cache
