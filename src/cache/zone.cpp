#include "cache/zone.hpp"

#include <algorithm>

#include "cache/zone_lock.hpp"

namespace sigra::nginx {
namespace {

// FNV-1a: ids are short, and nobody gains by their collisions.
std::uint64_t hash_of(std::string_view id) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (char c : id) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return hash ^ (hash >> 32);
}

std::uint32_t part_of(const char* token_hash, std::size_t at) {
    std::uint32_t part = 0;
    std::memcpy(&part, token_hash + at, sizeof(part));
    return part;
}

std::int64_t ago(std::int64_t at, const std::optional<std::int64_t>& age) {
    return age ? at - *age : no_time;
}

bool fits(const postgres::SessionRow& row) {
    return row.user_id.size() + row.email.size() <= sizeof(ZoneCell::text) &&
           row.user_id.size() <= 255 && row.email.size() <= 255;
}

}  // namespace

Zone::Zone(ngx_shm_zone_t* shm) : shm_(shm) {}

void Zone::lay_out(void* memory, std::size_t size) {
    header_ = static_cast<ZoneHeader*>(memory);
    const ZoneGeometry geometry = ZoneGeometry::of_size(size);
    header_->marks = geometry.marks;
    header_->token_buckets = geometry.token_buckets;
    header_->user_buckets = geometry.user_buckets;
    header_->cells = geometry.cells;
    token_marks_ = reinterpret_cast<std::uint64_t*>(header_ + 1);
    user_marks_ = token_marks_ + geometry.marks;
    by_token_ = reinterpret_cast<std::uint32_t*>(user_marks_ + geometry.marks);
    by_user_ = by_token_ + geometry.token_buckets;
    cells_ = reinterpret_cast<ZoneCell*>(by_user_ + geometry.user_buckets);
}

ngx_int_t Zone::init(ngx_shm_zone_t* shm, void* old) noexcept {
    auto& self = *static_cast<Zone*>(shm->data);
    self.slab_ = reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
    if (old != nullptr) {
        const auto& before = *static_cast<Zone*>(old);
        self.header_ = before.header_;
        self.token_marks_ = before.token_marks_;
        self.user_marks_ = before.user_marks_;
        self.by_token_ = before.by_token_;
        self.by_user_ = before.by_user_;
        self.cells_ = before.cells_;
        return NGX_OK;
    }
    const std::size_t size = self.slab_->pfree * ngx_pagesize;
    void* memory = ngx_slab_alloc(self.slab_, size);
    if (memory == nullptr) {
        return NGX_ERROR;
    }
    self.lay_out(memory, size);
    self.header_->seq = self.header_->version = 0;
    self.clear();
    return NGX_OK;
}

void Zone::clear() {
    Changing changing(*this);
    header_->revoked_all = ++header_->seq;
    std::fill_n(token_marks_, std::size_t{header_->marks} * 2, 0);
    std::fill_n(by_token_, header_->token_buckets, no_cell);
    std::fill_n(by_user_, header_->user_buckets, no_cell);
    header_->untouched = 0;
    header_->first_free = no_cell;
    header_->newest = header_->oldest = no_cell;
}

std::uint32_t& Zone::token_bucket(const char* token_hash) {
    return by_token_[part_of(token_hash, 0) & (header_->token_buckets - 1)];
}

std::uint32_t& Zone::user_bucket(std::string_view id) {
    return by_user_[hash_of(id) & (header_->user_buckets - 1)];
}

std::uint64_t& Zone::token_mark(const char* token_hash) {
    return token_marks_[part_of(token_hash, 4) & (header_->marks - 1)];
}

std::uint64_t& Zone::user_mark(std::string_view id) {
    return user_marks_[(hash_of(id) >> 20) & (header_->marks - 1)];
}

std::uint64_t Zone::seq() {
    Locked locked(*this);
    return header_->seq;
}

std::uint64_t Zone::next_seq() {
    Locked locked(*this);
    return ++header_->seq;
}

bool Zone::settle(const Answer& answer) {
    Locked locked(*this);
    std::uint64_t revoked =
        std::max(header_->revoked_all, token_mark(answer.token_hash.data()));
    if (answer.row != nullptr) {
        revoked = std::max(revoked, user_mark(answer.row->user_id));
    }
    if (revoked > answer.sent) {
        return false;
    }
    const std::uint32_t known =
        index_of(answer.token_hash.data(), answer.fingerprint);
    const bool keep =
        answer.store && (answer.row == nullptr || fits(*answer.row));
    // Nothing is lost with an entry that PostgreSQL no longer stands behind.
    if (known != no_cell && (keep || answer.row == nullptr)) {
        Changing changing(*this);
        drop(known);
    }
    if (keep) {
        Changing changing(*this);
        put(answer);
    }
    return true;
}

void Zone::put(const Answer& answer) {
    const std::uint32_t index = take_cell();
    ZoneCell& cell = cells_[index];
    std::memcpy(cell.token_hash, answer.token_hash.data(), 32);
    cell.fingerprint = answer.fingerprint;
    cell.stamp = answer.sent;
    cell.verified_at = answer.at;
    cell.used_at_s = monotonic_s();
    cell.flags = answer.listened ? 0 : ZoneCell::unlistened;
    cell.user_id_length = cell.email_length = 0;
    if (answer.row == nullptr) {
        cell.flags |= ZoneCell::dead;
        insert(index, /*warm=*/false);
        return;
    }
    const postgres::SessionRow& row = *answer.row;
    cell.flags |= row.remember_me ? ZoneCell::remember_me : 0;
    cell.inserted_at = answer.at - row.age_ms;
    cell.authenticated = ago(answer.at, row.authenticated_age_ms);
    cell.active_at = ago(answer.at, row.idle_ms);
    cell.authenticated_at = row.authenticated_at.value_or(no_time);
    cell.user_id_length = static_cast<std::uint8_t>(row.user_id.size());
    cell.email_length = static_cast<std::uint8_t>(row.email.size());
    row.user_id.copy(cell.text, row.user_id.size());
    row.email.copy(cell.text + row.user_id.size(), row.email.size());
    insert(index, /*warm=*/true);
}

void Zone::touch(const phoenix::Sha256& token_hash, std::uint64_t fingerprint,
                 std::int64_t now) {
    Locked locked(*this);
    const std::uint32_t index = index_of(token_hash.data(), fingerprint);
    if (index != no_cell && cells_[index].active_at != no_time) {
        Changing changing(*this);
        cells_[index].active_at = std::max(cells_[index].active_at, now);
    }
}

void Zone::drop_token(std::string_view token_hash) {
    std::uint32_t index = token_bucket(token_hash.data());
    while (index != no_cell) {
        const std::uint32_t next = cells_[index].next_by_token;
        if (std::memcmp(cells_[index].token_hash, token_hash.data(), 32) == 0) {
            drop(index);
        }
        index = next;
    }
}

void Zone::revoke_token(std::string_view token_hash) {
    if (token_hash.size() != 32) {
        return;
    }
    Locked locked(*this);
    Changing changing(*this);
    token_mark(token_hash.data()) = ++header_->seq;
    drop_token(token_hash);
}

void Zone::revoke_user(std::string_view id) {
    Locked locked(*this);
    Changing changing(*this);
    user_mark(id) = ++header_->seq;
    std::uint32_t index = user_bucket(id);
    while (index != no_cell) {
        const std::uint32_t next = cells_[index].next_by_user;
        if (cells_[index].user_id() == id) {
            drop(index);
        }
        index = next;
    }
}

void Zone::revoke_all() {
    Locked locked(*this);
    Changing changing(*this);
    header_->revoked_all = ++header_->seq;
}

void Zone::bar(const phoenix::Sha256& token_hash) {
    Locked locked(*this);
    Changing changing(*this);
    token_mark(token_hash.data()) = ++header_->seq;
    drop_token({token_hash.data(), token_hash.size()});
    put_bar(token_hash);
}

void Zone::put_bar(const phoenix::Sha256& token_hash) {
    const std::uint32_t index = take_cell();
    ZoneCell& cell = cells_[index];
    std::memcpy(cell.token_hash, token_hash.data(), 32);
    cell.fingerprint = 0;
    cell.stamp = header_->seq;
    cell.flags = ZoneCell::bar;
    cell.user_id_length = cell.email_length = 0;
    insert(index, /*warm=*/true);
}

bool Zone::barred(const phoenix::Sha256& token_hash) {
    Locked locked(*this);
    std::uint32_t index = token_bucket(token_hash.data());
    while (index != no_cell) {
        const ZoneCell& cell = cells_[index];
        if (cell.has(ZoneCell::bar) &&
            std::memcmp(cell.token_hash, token_hash.data(), 32) == 0) {
            return true;
        }
        index = cell.next_by_token;
    }
    return false;
}

}  // namespace sigra::nginx
