#include "cache/session_memo.hpp"

#include <sodium.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace sigra::cache {

namespace {

// Entries are all over their memory: with small pages the way to one is longer
// than the look at it.
constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;

}  // namespace

void SessionMemo::Freed::operator()(Entry* entries) const {
    ::operator delete (entries, std::align_val_t{huge_page});
}

SessionMemo::SessionMemo()
    : marks_(sets),
      entries_(static_cast<Entry*>(
          ::operator new (memory, std::align_val_t{huge_page}))) {
    // Where the system has none, or does not let us, small ones do.
    (void)madvise(entries_.get(), memory, MADV_HUGEPAGE);
}

SessionMemo::~SessionMemo() {
    for (std::size_t i = 0; i < sets * ways; i++) {
        if (marks_[i / ways][i % ways] != 0) {
            sodium_memzero(&entries_[i], sizeof(Entry));
        }
    }
}

// By the value's end, which is a signature's or an authentication tag's, and so
// as good as random: known before the tag is, for which the memory on the way
// need not wait. With a number of this worker's own, so that nobody can choose
// whom he displaces.
SessionMemo::Place SessionMemo::place_of(std::string_view value) const {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    std::uint64_t end = 0;
    if (value.size() >= sizeof(end)) {
        std::memcpy(&end, value.data() + value.size() - sizeof(end),
                    sizeof(end));
    }
    const std::uint64_t mixed = (end ^ tagger_.salt()) * odd;
    const auto mark = static_cast<Mark>(mixed >> 32);
    return {(mixed >> 40) % sets, (mixed >> 56) % ways,
            mark == 0 ? Mark{1} : mark};
}

// Without a call: it is on every request's way.
inline bool SessionMemo::Entry::is_of(const CookieTag& other_tag,
                                      std::size_t other_length,
                                      const Keys& keys) const {
    return ((tag[0] ^ other_tag[0]) | (tag[1] ^ other_tag[1]) |
            (tag[2] ^ other_tag[2]) | (tag[3] ^ other_tag[3]) |
            (length ^ other_length)) == 0 &&
           cookies == keys.cookies && source == keys.source;
}

// Most stand where they would like to, which is asked for before it is known
// to be right.
[[gnu::hot]] SessionMemo::Remembered* SessionMemo::find(std::string_view value,
                                                        const Keys& keys) {
    if (value.size() > CookieTagger::max_value) {
        return nullptr;
    }
    const Place place = place_of(value);
    const Marks& marks = marks_[place.set];
    Entry* set = entries_.get() + place.set * ways;
    __builtin_prefetch(&marks);
    __builtin_prefetch(&set[place.liked].tag);
    __builtin_prefetch(&set[place.liked].what);
    const CookieTag tag = tagger_.tag(value);
    for (std::size_t i = 0; i < ways; i++) {
        const std::size_t way = (place.liked + i) % ways;
        if (marks[way] == place.mark &&
            set[way].is_of(tag, value.size(), keys)) {
            return &set[way].what;
        }
    }
    return nullptr;
}

// A free one; where all are taken, the liked one: as good as chance.
std::size_t SessionMemo::way_for(const Place& place) const {
    const Marks& marks = marks_[place.set];
    if (marks[place.liked] == 0) {
        return place.liked;
    }
    const auto* free = std::find(marks.begin(), marks.end(), Mark{0});
    return free == marks.end() ? place.liked
                               : static_cast<std::size_t>(free - marks.begin());
}

void SessionMemo::remember(std::string_view value, const Keys& keys,
                           const Remembered& what) {
    if (value.size() > CookieTagger::max_value) {
        return;
    }
    const CookieTag tag = tagger_.tag(value);
    const Place place = place_of(value);
    const std::size_t way = way_for(place);
    marks_[place.set][way] = place.mark;
    new (&entries_[place.set * ways + way])
        Entry{tag, keys.cookies, keys.source, value.size(), what};
}

}  // namespace sigra::cache
