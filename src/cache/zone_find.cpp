// How a session is found in the zone, with its lock and without.
#include <array>

#include "cache/zone.hpp"
#include "cache/zone_lock.hpp"

namespace sigra::nginx {
namespace {

constexpr std::uint32_t move_after_s = 1;

// Without a call: it is on every request's way.
inline bool equal_hashes(const char* a, const char* b) {
    std::array<std::uint64_t, 4> left;
    std::array<std::uint64_t, 4> right;
    std::memcpy(left.data(), a, sizeof(left));
    std::memcpy(right.data(), b, sizeof(right));
    return ((left[0] ^ right[0]) | (left[1] ^ right[1]) | (left[2] ^ right[2]) |
            (left[3] ^ right[3])) == 0;
}

bool is_entry_of(const ZoneCell& cell, const char* token_hash,
                 std::uint64_t fingerprint) {
    return cell.fingerprint == fingerprint && !cell.has(ZoneCell::bar) &&
           equal_hashes(cell.token_hash, token_hash);
}

}  // namespace

// What was sent before everything was revoked is left for the eviction.
bool Zone::is_live(const ZoneCell& cell) const {
    return cell.stamp >= header_->revoked_all;
}

std::uint32_t Zone::index_of(const char* token_hash,
                             std::uint64_t fingerprint) {
    std::uint32_t index = token_bucket(token_hash);
    while (index != no_cell) {
        if (is_entry_of(cells_[index], token_hash, fingerprint)) {
            break;
        }
        index = cells_[index].next_by_token;
    }
    return index;
}

// While there is room, nobody has to know who is to go first, and a move costs
// three other cells' cache lines.
bool Zone::order_counts() const {
    return header_->untouched >= header_->cells - header_->cells / 8;
}

// A move a second at most, and what is dead stays where it is.
bool Zone::wants_note(const ZoneCell& cell) const {
    return monotonic_s() - cell.used_at_s >= move_after_s &&
           !cell.has(ZoneCell::dead) &&
           (order_counts() || !cell.has(ZoneCell::used));
}

void Zone::note_use(std::uint32_t index) {
    ZoneCell& cell = cells_[index];
    if (!wants_note(cell)) {
        return;
    }
    Changing changing(*this);
    if (order_counts()) {
        cell.used_at_s = monotonic_s();
        move_to_front(index);
    } else {
        cell.flags |= ZoneCell::used;
    }
}

// Without the mutex: false where that is not enough. What is copied may be
// changing; it counts if the version says that it has not.
[[gnu::hot]] bool Zone::peek(const phoenix::Sha256& token_hash,
                             std::uint64_t fingerprint, std::uint32_t place,
                             ZoneCell& out) const {
    const std::uint32_t version =
        __atomic_load_n(&header_->version, __ATOMIC_ACQUIRE);
    if (version % 2 != 0 || place >= header_->untouched) {
        return false;
    }
    const ZoneCell& cell = cells_[place];
    constexpr std::size_t text = peeked - offsetof(ZoneCell, text);
    std::memcpy(&out, &cell, peeked);
    const std::size_t length =
        std::size_t{out.user_id_length} + out.email_length;
    if (length > sizeof(out.text)) {
        return false;
    }
    if (length > text) {
        std::memcpy(out.text + text, cell.text + text, length - text);
    }
    const bool counts = is_entry_of(out, token_hash.data(), fingerprint) &&
                        !out.has(ZoneCell::free) && is_live(out) &&
                        !wants_note(out);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return counts &&
           __atomic_load_n(&header_->version, __ATOMIC_RELAXED) == version;
}

[[gnu::hot]] bool Zone::find(const phoenix::Sha256& token_hash,
                             std::uint64_t fingerprint, std::uint32_t& place,
                             ZoneCell& out) {
    return peek(token_hash, fingerprint, place, out) ||
           search(token_hash, fingerprint, place, out);
}

bool Zone::search(const phoenix::Sha256& token_hash, std::uint64_t fingerprint,
                  std::uint32_t& place, ZoneCell& out) {
    Locked locked(*this);
    place = index_of(token_hash.data(), fingerprint);
    if (place == no_cell || !is_live(cells_[place])) {
        return false;
    }
    const ZoneCell& cell = cells_[place];
    note_use(place);
    // Of the text what is used: the rest would be cache lines for nothing.
    std::memcpy(
        &out, &cell,
        offsetof(ZoneCell, text) + cell.user_id_length + cell.email_length);
    return true;
}

}  // namespace sigra::nginx
