#include "nginx/session_memo.hpp"

#include <sodium.h>

namespace sigra::nginx {

SessionMemo::SessionMemo()
    : marks_(entry_count),
      entries_(std::make_unique_for_overwrite<Entry[]>(entry_count)) {}

SessionMemo::~SessionMemo() {
    for (std::size_t i = 0; i < entry_count; i++) {
        if (marks_[i] != 0) {
            sodium_memzero(&entries_[i], sizeof(Entry));
        }
    }
}

// The key is this worker's own: nobody can choose whom he displaces.
SessionMemo::Place SessionMemo::place_of(const CookieTag& tag) {
    constexpr std::uint64_t odd = 0x9e3779b97f4a7c15;
    const std::uint64_t mixed = (tag[0] ^ tag[1]) * odd;
    const std::size_t first = (mixed >> 32) % (entry_count / ways) * ways;
    const auto mark = static_cast<Mark>(mixed >> 24);
    return {first, first + (mixed >> 16) % ways, mark == 0 ? Mark{1} : mark};
}

SessionMemo::Remembered* SessionMemo::find(std::string_view value,
                                           const LocationConf& conf) {
    if (value.size() > CookieTagger::max_value) {
        return nullptr;
    }
    const CookieTag tag = tagger_.tag(value);
    const Place place = place_of(tag);
    for (std::size_t i = place.first; i < place.first + ways; i++) {
        if (marks_[i] != place.mark) {
            continue;
        }
        Entry& entry = entries_[i];
        if (entry.tag == tag && entry.length == value.size() &&
            entry.cookies == conf.cookies->id &&
            entry.source == conf.source->fingerprint) {
            return &entry.what;
        }
    }
    return nullptr;
}

std::size_t SessionMemo::victim(const Place& place) const {
    for (std::size_t i = place.first; i < place.first + ways; i++) {
        if (marks_[i] == 0) {
            return i;
        }
    }
    return place.victim;
}

void SessionMemo::remember(std::string_view value, const LocationConf& conf,
                           const Remembered& what) {
    if (value.size() > CookieTagger::max_value) {
        return;
    }
    const CookieTag tag = tagger_.tag(value);
    const Place place = place_of(tag);
    const std::size_t at = victim(place);
    marks_[at] = place.mark;
    entries_[at] = {tag, conf.cookies->id, conf.source->fingerprint,
                    value.size(), what};
}

}  // namespace sigra::nginx
