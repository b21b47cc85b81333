#include "cache/zone.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "cache/zone_lock.hpp"

namespace sigra::cache {
namespace {

// FNV-1a: ids are short, and nobody gains from collisions.
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

// Returns at - age, clamped, because a column may hold any value. An infinite
// age yields the earliest time that is not no_time.
std::int64_t before(std::int64_t at, std::int64_t age) {
    std::int64_t moment = 0;
    if (__builtin_sub_overflow(at, age, &moment)) {
        moment = age > 0 ? no_time : std::numeric_limits<std::int64_t>::max();
    }
    return std::max(moment, no_time + 1);
}

std::int64_t before(std::int64_t at, const std::optional<std::int64_t>& age) {
    return age ? before(at, *age) : no_time;
}

}  // namespace

Zone::Zone(Lock& lock, Clock clock) : lock_(lock), clock_(clock) {}

void Zone::create(void* memory, std::size_t size, std::size_t facts) {
    const ZoneGeometry geometry =
        ZoneGeometry::of_size(size, sizeof(ZoneCell) + facts);
    auto* header = new (memory) ZoneHeader();
    header->marks = geometry.marks;
    header->token_buckets = geometry.token_buckets;
    header->user_buckets = geometry.user_buckets;
    header->cells = geometry.cells;
    header->facts = static_cast<std::uint32_t>(facts);
    attach(memory);
    clear();
}

void Zone::attach(void* memory) {
    header_ = static_cast<ZoneHeader*>(memory);
    token_marks_ = reinterpret_cast<std::uint64_t*>(header_ + 1);
    user_marks_ = token_marks_ + header_->marks;
    by_token_ = reinterpret_cast<std::uint32_t*>(user_marks_ + header_->marks);
    by_user_ = by_token_ + header_->token_buckets;
    cells_ = reinterpret_cast<char*>(by_user_ + header_->user_buckets);
    cell_bytes_ = sizeof(ZoneCell) + header_->facts;
}

void Zone::clear() {
    Changing changing(*this);
    header_->revoked_all = ++header_->seq;
    std::fill_n(token_marks_, std::size_t{header_->marks} * 2, 0);
    std::fill_n(by_token_, header_->token_buckets, no_cell);
    std::fill_n(by_user_, header_->user_buckets, no_cell);
    header_->untouched = 0;
    header_->entries = 0;
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

bool Zone::fits(const Session& session) const {
    return session.user_id.size() + session.email.size() <=
               sizeof(ZoneEntry::text) &&
           session.user_id.size() <= 255 && session.email.size() <= 255 &&
           has_room_for(session.attributes.size());
}

// Returns true if a cell holds the facts of `session`. An entry with other
// facts must not remain when the new answer cannot be stored: in an outage it
// would let a request pass that the new facts forbid.
bool Zone::has_facts_of(std::uint32_t index, const Session& session) const {
    ZoneFacts facts;
    return !keeps_facts() ||
           (facts_at(index).load(facts) && facts.met == session.met &&
            facts.judged == session.judged &&
            facts.readable == session.readable &&
            facts.attributes() == session.attributes);
}

std::uint64_t Zone::seq() {
    Locked locked(*this);
    return header_->seq;
}

std::uint64_t Zone::next_seq() {
    Locked locked(*this);
    return ++header_->seq;
}

Zone::Figures Zone::figures() {
    Locked locked(*this);
    return {header_->cells, header_->entries, header_->evictions};
}

bool Zone::settle(const Answer& answer) {
    Locked locked(*this);
    std::uint64_t revoked = std::max<std::uint64_t>(
        header_->revoked_all, token_mark(answer.token_hash.data()));
    if (answer.session != nullptr) {
        revoked = std::max(revoked, user_mark(answer.session->user_id));
    }
    if (revoked > answer.sent) {
        return false;
    }
    const std::uint32_t known = index_of(answer.token_hash, answer.fingerprint);
    const bool keep =
        answer.store && (answer.session == nullptr || fits(*answer.session));
    // The entry is replaced, or contradicts PostgreSQL's answer.
    if (known != no_cell && (keep || answer.session == nullptr ||
                             !has_facts_of(known, *answer.session))) {
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
    ZoneEntry entry{};
    std::memcpy(entry.token_hash, answer.token_hash.data(), 32);
    entry.fingerprint = answer.fingerprint;
    entry.stamp = answer.sent;
    entry.verified_at = answer.at;
    entry.server = answer.server;
    entry.flags = answer.listened ? 0 : ZoneEntry::unlistened;
    if (answer.session == nullptr) {
        entry.flags |= ZoneEntry::dead;
        put(entry, nullptr, /*warm=*/false);
        return;
    }
    const Session& session = *answer.session;
    entry.flags |= session.remember_me ? ZoneEntry::remember_me : 0;
    entry.inserted_at = before(answer.at, session.age_ms);
    entry.authenticated = before(answer.at, session.authenticated_age_ms);
    entry.active_at = before(answer.at, session.idle_ms);
    entry.authenticated_at = session.authenticated_at.value_or(no_time);
    entry.user_id_length = static_cast<std::uint8_t>(session.user_id.size());
    entry.email_length = static_cast<std::uint8_t>(session.email.size());
    session.user_id.copy(entry.text, session.user_id.size());
    session.email.copy(entry.text + session.user_id.size(),
                       session.email.size());
    put(entry, &session, /*warm=*/true);
}

void Zone::put(const ZoneEntry& entry, const Session* session, bool warm) {
    const std::uint32_t index = take_cell();
    if (keeps_facts()) {
        ZoneFacts facts;
        facts.met = facts.judged = 0;
        facts.readable = facts.length = 0;
        if (session != nullptr) {
            facts.met = session->met;
            facts.judged = session->judged;
            facts.readable = session->readable;
            facts.length = static_cast<std::uint32_t>(
                session->attributes.copy(facts.text, sizeof(facts.text)));
        }
        facts_at(index).store(facts);
    }
    cell_at(index).entry.store(entry);
    cell_at(index).used_at_s = now_s();
    insert(index, warm);
}

void Zone::touch(const TokenHash& token_hash, std::uint64_t fingerprint,
                 std::int64_t now) {
    Locked locked(*this);
    const std::uint32_t index = index_of(token_hash, fingerprint);
    if (index == no_cell) {
        return;
    }
    SharedEntry& entry = cell_at(index).entry;
    if (entry.held().active_at != no_time && entry.held().active_at < now) {
        Changing changing(*this);
        entry.set_active_at(now);
    }
}

void Zone::drop_token(std::string_view token_hash) {
    std::uint32_t index = token_bucket(token_hash.data());
    while (index != no_cell) {
        const std::uint32_t next = cell_at(index).next_by_token;
        if (std::memcmp(cell_at(index).entry.held().token_hash,
                        token_hash.data(), 32) == 0) {
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
        const std::uint32_t next = cell_at(index).next_by_user;
        if (cell_at(index).entry.held().user_id() == id) {
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

void Zone::bar(const TokenHash& token_hash) {
    Locked locked(*this);
    Changing changing(*this);
    token_mark(token_hash.data()) = ++header_->seq;
    drop_token({token_hash.data(), token_hash.size()});
    put_bar(token_hash);
}

void Zone::put_bar(const TokenHash& token_hash) {
    ZoneEntry entry{};
    std::memcpy(entry.token_hash, token_hash.data(), 32);
    entry.stamp = header_->seq;
    entry.flags = ZoneEntry::bar;
    put(entry, nullptr, /*warm=*/true);
}

bool Zone::barred(const TokenHash& token_hash) {
    Locked locked(*this);
    std::uint32_t index = token_bucket(token_hash.data());
    while (index != no_cell) {
        const ZoneEntry& entry = cell_at(index).entry.held();
        if (entry.has(ZoneEntry::bar) &&
            std::memcmp(entry.token_hash, token_hash.data(), 32) == 0) {
            return true;
        }
        index = cell_at(index).next_by_token;
    }
    return false;
}

}  // namespace sigra::cache
