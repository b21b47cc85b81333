// The lists of a zone's cells: one for each bucket of tokens and of users, one
// of all cells in LRU order, and one of free cells.
#include "cache/zone.hpp"

namespace sigra::cache {

// Evicts the least recently used entry. An entry that was used while the order
// was not maintained is moved to the front instead, as if it were used now. The
// number of such moves is limited, because other processes wait for the lock.
void Zone::evict() {
    constexpr int reprieves = 16;
    for (int i = 0; i < reprieves; i++) {
        if (!cell_at(header_->oldest).entry.held().has(ZoneEntry::used)) {
            break;
        }
        move_to_front(header_->oldest);
    }
    drop(header_->oldest);
    header_->evictions++;
}

// Returns a free cell; evicts an entry if there is none.
std::uint32_t Zone::take_cell() {
    if (header_->first_free == no_cell && header_->untouched < header_->cells) {
        const std::uint32_t index = header_->untouched;
        header_->untouched = index + 1;
        return index;
    }
    if (header_->first_free == no_cell) {
        evict();
    }
    const std::uint32_t index = header_->first_free;
    header_->first_free = cell_at(index).next_by_token;
    return index;
}

// An entry that is not `warm` is the next to be evicted, so that many dead
// sessions do not evict live ones.
void Zone::insert(std::uint32_t index, bool warm) {
    header_->entries++;
    ZoneCell& cell = cell_at(index);
    const ZoneEntry& entry = cell.entry.held();
    std::uint32_t& bucket = token_bucket(entry.token_hash);
    cell.next_by_token = bucket;
    bucket = index;
    cell.next_by_user = cell.previous_by_user = no_cell;
    if (entry.user_id_length != 0) {
        std::uint32_t& users = user_bucket(entry.user_id());
        cell.next_by_user = users;
        if (users != no_cell) {
            cell_at(users).previous_by_user = index;
        }
        users = index;
    }
    if (warm) {
        link_recent(index);
    } else {
        link_oldest(index);
    }
}

void Zone::drop(std::uint32_t index) {
    header_->entries--;
    ZoneCell& cell = cell_at(index);
    const ZoneEntry& entry = cell.entry.held();
    std::uint32_t* link = &token_bucket(entry.token_hash);
    while (*link != index) {
        link = &cell_at(*link).next_by_token;
    }
    *link = cell.next_by_token;
    if (entry.user_id_length != 0) {
        if (cell.next_by_user != no_cell) {
            cell_at(cell.next_by_user).previous_by_user = cell.previous_by_user;
        }
        if (cell.previous_by_user != no_cell) {
            cell_at(cell.previous_by_user).next_by_user = cell.next_by_user;
        } else {
            user_bucket(entry.user_id()) = cell.next_by_user;
        }
    }
    unlink_recent(index);
    cell.entry.set_flags(ZoneEntry::free);
    cell.next_by_token = header_->first_free;
    header_->first_free = index;
}

void Zone::link_recent(std::uint32_t index) {
    ZoneCell& cell = cell_at(index);
    cell.newer = no_cell;
    cell.older = header_->newest;
    if (header_->newest != no_cell) {
        cell_at(header_->newest).newer = index;
    } else {
        header_->oldest = index;
    }
    header_->newest = index;
}

void Zone::link_oldest(std::uint32_t index) {
    ZoneCell& cell = cell_at(index);
    cell.older = no_cell;
    cell.newer = header_->oldest;
    if (header_->oldest != no_cell) {
        cell_at(header_->oldest).older = index;
    } else {
        header_->newest = index;
    }
    header_->oldest = index;
}

void Zone::unlink_recent(std::uint32_t index) {
    ZoneCell& cell = cell_at(index);
    (cell.newer != no_cell ? cell_at(cell.newer).older : header_->newest) =
        cell.older;
    (cell.older != no_cell ? cell_at(cell.older).newer : header_->oldest) =
        cell.newer;
}

void Zone::move_to_front(std::uint32_t index) {
    SharedEntry& entry = cell_at(index).entry;
    if (entry.held().has(ZoneEntry::used)) {
        entry.set_flags(entry.held().flags & ~unsigned{ZoneEntry::used});
    }
    unlink_recent(index);
    link_recent(index);
}

}  // namespace sigra::cache
