// Finding a session in the zone, with the lock and without it.
#include <cstring>

#include "cache/zone.hpp"
#include "cache/zone_lock.hpp"

namespace sigra::cache {
namespace {

constexpr std::uint32_t move_after_s = 1;

bool is_entry_of(const ZoneEntry& entry, const TokenHash& token_hash,
                 std::uint64_t fingerprint) {
    return entry.fingerprint == fingerprint && !entry.has(ZoneEntry::bar) &&
           std::memcmp(entry.token_hash, token_hash.data(),
                       token_hash.size()) == 0;
}

}  // namespace

// Entries of lookups that were sent before everything was revoked are ignored;
// they are removed by eviction.
inline bool Zone::is_live(const ZoneEntry& entry) const {
    return entry.stamp >= header_->revoked_all;
}

std::uint32_t Zone::index_of(const TokenHash& token_hash,
                             std::uint64_t fingerprint) {
    std::uint32_t index = token_bucket(token_hash.data());
    while (index != no_cell) {
        if (is_entry_of(cell_at(index).entry.held(), token_hash, fingerprint)) {
            break;
        }
        index = cell_at(index).next_by_token;
    }
    return index;
}

// True if less than an eighth of the cells is unused. Before that, the LRU
// order is not maintained, because each move touches three other cells.
inline bool Zone::order_counts() const {
    return header_->untouched >= header_->cells - header_->cells / 8;
}

// An entry is moved at most once a second. Dead sessions are not moved.
inline bool Zone::wants_note(const ZoneEntry& entry,
                             std::uint32_t used_at_s) const {
    return now_s() - used_at_s >= move_after_s && !entry.has(ZoneEntry::dead) &&
           (order_counts() || !entry.has(ZoneEntry::used));
}

void Zone::note_use(std::uint32_t index) {
    ZoneCell& cell = cell_at(index);
    if (!wants_note(cell.entry.held(), cell.used_at_s)) {
        return;
    }
    Changing changing(*this);
    if (order_counts()) {
        cell.used_at_s = now_s();
        move_to_front(index);
    } else {
        cell.entry.set_flags(cell.entry.held().flags | ZoneEntry::used);
    }
}

// find() without the lock. The copy may be inconsistent, so it counts only if
// the version did not change meanwhile. Returns false if the lock is needed.
[[gnu::hot]] bool Zone::peek(const TokenHash& token_hash,
                             std::uint64_t fingerprint, std::uint32_t place,
                             ZoneEntry& out, ZoneFacts* facts) const {
    const std::uint32_t version =
        header_->version.load(std::memory_order_acquire);
    if (version % 2 != 0 || place >= header_->untouched) {
        return false;
    }
    const ZoneCell& cell = cell_at(place);
    const bool counts =
        cell.entry.load_if(token_hash, fingerprint, out) &&
        (out.flags & (ZoneEntry::free | ZoneEntry::bar)) == 0 && is_live(out) &&
        !wants_note(out, cell.used_at_s) &&
        (facts == nullptr || (keeps_facts() && facts_at(place).load(*facts)));
    std::atomic_thread_fence(std::memory_order_acquire);
    return counts &&
           header_->version.load(std::memory_order_relaxed) == version;
}

[[gnu::hot]] bool Zone::find(const TokenHash& token_hash,
                             std::uint64_t fingerprint, std::uint32_t& place,
                             ZoneEntry& out, ZoneFacts* facts) {
    return peek(token_hash, fingerprint, place, out, facts) ||
           search(token_hash, fingerprint, place, out, facts);
}

bool Zone::search(const TokenHash& token_hash, std::uint64_t fingerprint,
                  std::uint32_t& place, ZoneEntry& out, ZoneFacts* facts) {
    Locked locked(*this);
    place = index_of(token_hash, fingerprint);
    if (place == no_cell || !is_live(cell_at(place).entry.held())) {
        return false;
    }
    if (facts != nullptr && (!keeps_facts() || !facts_at(place).load(*facts))) {
        return false;
    }
    const ZoneEntry& entry = cell_at(place).entry.held();
    note_use(place);
    // Copies only the used part of the text, to touch fewer cache lines.
    std::memcpy(
        &out, &entry,
        offsetof(ZoneEntry, text) + entry.user_id_length + entry.email_length);
    return true;
}

}  // namespace sigra::cache
