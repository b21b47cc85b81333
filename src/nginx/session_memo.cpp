#include "nginx/session_memo.hpp"

#include <sodium.h>

#include <algorithm>

namespace sigra::nginx {

SessionMemo::SessionMemo()
    : marks_(sets),
      entries_(std::make_unique_for_overwrite<Entry[]>(sets * ways)) {}

SessionMemo::~SessionMemo() {
    for (std::size_t i = 0; i < sets * ways; i++) {
        if (marks_[i / ways][i % ways] != 0) {
            sodium_memzero(&entries_[i], sizeof(Entry));
        }
    }
}

// The key is this worker's own: nobody can choose whom he displaces.
SessionMemo::Place SessionMemo::place_of(const CookieTag& tag) {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    const std::uint64_t mixed = (tag[0] ^ tag[1]) * odd;
    const auto mark = static_cast<Mark>(mixed >> 24);
    return {(mixed >> 32) % sets, (mixed >> 16) % ways,
            mark == 0 ? Mark{1} : mark};
}

// Without a call: it is on every request's way.
inline bool SessionMemo::Entry::is_of(const CookieTag& other_tag,
                                      std::size_t other_length,
                                      const LocationConf& conf) const {
    return ((tag[0] ^ other_tag[0]) | (tag[1] ^ other_tag[1]) |
            (tag[2] ^ other_tag[2]) | (tag[3] ^ other_tag[3]) |
            (length ^ other_length)) == 0 &&
           cookies == conf.cookies->id && source == conf.source->fingerprint;
}

// Most stand where they would like to, which is asked for before it is known
// to be right: the marks of the others cost a cache line more.
[[gnu::hot]] SessionMemo::Remembered* SessionMemo::find(
    std::string_view value, const LocationConf& conf) {
    if (value.size() > CookieTagger::max_value) {
        return nullptr;
    }
    const CookieTag tag = tagger_.tag(value);
    const Place place = place_of(tag);
    Entry* set = entries_.get() + place.set * ways;
    __builtin_prefetch(&set[place.liked].tag);
    __builtin_prefetch(&set[place.liked].what);
    const Marks& marks = marks_[place.set];
    for (std::size_t i = 0; i < ways; i++) {
        const std::size_t way = (place.liked + i) % ways;
        if (marks[way] == place.mark &&
            set[way].is_of(tag, value.size(), conf)) {
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

void SessionMemo::remember(std::string_view value, const LocationConf& conf,
                           const Remembered& what) {
    if (value.size() > CookieTagger::max_value) {
        return;
    }
    const CookieTag tag = tagger_.tag(value);
    const Place place = place_of(tag);
    const std::size_t way = way_for(place);
    marks_[place.set][way] = place.mark;
    entries_[place.set * ways + way] = {
        tag, conf.cookies->id, conf.source->fingerprint, value.size(), what};
}

}  // namespace sigra::nginx
