// The session cache in shared memory: fixed cells, found by token and by
// user, evicted from the least recently used, and the marks that say what was
// revoked last. Every worker, of this configuration and the one before, works
// on the same memory under one lock. Only a session that was found before is
// read without it: the header's version tells whether anything has changed
// meanwhile, and a change makes it odd and then even again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cache/entry.hpp"
#include "cache/facts.hpp"
#include "cache/lock.hpp"
#include "cache/zone_layout.hpp"

namespace sigra::cache {

// A row as PostgreSQL told it, ages in milliseconds.
struct Session {
    std::string_view user_id;
    std::string_view email;
    std::int64_t age_ms = 0;
    std::optional<std::int64_t> authenticated_at;  // Unix seconds
    std::optional<std::int64_t> authenticated_age_ms;
    std::optional<std::int64_t> idle_ms;
    bool remember_me = false;
    // Its facts; see ZoneFacts.
    std::uint64_t met = 0;
    std::uint64_t judged = 0;
    std::uint32_t readable = 0;
    std::string_view attributes = {};
};

class Zone {
  public:
    // What is smaller holds too few sessions to be meant.
    static constexpr std::size_t min_size = std::size_t{64} * 1024;

    // Both outlive the zone. Nothing else is to be called before create() or
    // attach().
    Zone(Lock& lock, Clock clock);

    // Lays out an empty zone in `memory`, aligned as a cell is: before any
    // other process sees it. `facts`: bytes of them that each cell has room
    // for, SharedFacts::bytes_for(); 0: none are kept.
    void create(void* memory, std::size_t size, std::size_t facts = 0);
    // What was created there, by this process or another: it may lie at
    // another address here.
    void attach(void* memory);
    [[nodiscard]] void* memory() const { return header_; }

    // What a lookup remembers when it is sent.
    [[nodiscard]] std::uint64_t seq();
    // A new number: what was sent before it is older.
    [[nodiscard]] std::uint64_t next_seq();

    // A copy of the entry but for what it was asked by, its text as far as it
    // goes; false where there is none. `place`: where it was the last time,
    // which is looked at first, with no lock taken; no_cell, or anything.
    // `facts`: wanted as well, where it is not null; false where the zone keeps
    // none.
    [[nodiscard]] bool find(const TokenHash& token_hash,
                            std::uint64_t fingerprint, std::uint32_t& place,
                            ZoneEntry& out, ZoneFacts* facts = nullptr);
    // Before find(): its memory is on the way while something else is done.
    void prefetch(std::uint32_t place) const {
        if (place != no_cell && cells_ != nullptr) {
            cell_at(place).entry.prefetch();
            if (keeps_facts()) {
                facts_at(place).prefetch();
            }
        }
    }

    // What PostgreSQL answered. `session` is null where it knows no such
    // session.
    struct Answer {
        const TokenHash& token_hash;
        std::uint64_t fingerprint;
        std::uint64_t sent;  // seq() of then
        std::int64_t at;     // the clock's when the answer came
        const Session* session;
        bool store;                // may be kept
        bool listened;             // this worker's channel was up
        std::uint64_t server = 0;  // an identity of the one that answered
    };
    // False: something that concerns it was revoked since it was sent, and it
    // is to be asked again. Else it is kept where it may be and fits; what was
    // kept before goes where it says something else of the session's facts.
    [[nodiscard]] bool settle(const Answer& answer);

    // Whether a session with attributes of that many bytes is kept.
    [[nodiscard]] bool has_room_for(std::size_t attributes) const {
        return attributes == 0 || (attributes <= max_attributes &&
                                   SharedFacts::bytes_for(attributes) <=
                                       cell_bytes_ - sizeof(ZoneCell));
    }

    // A use was written down: the session is active at `now`.
    void touch(const TokenHash& token_hash, std::uint64_t fingerprint,
               std::int64_t now);

    struct Figures {
        std::uint64_t cells;      // entries that it may hold
        std::uint64_t entries;    // that it holds, of dead sessions too
        std::uint64_t evictions;  // since it was created
    };
    [[nodiscard]] Figures figures();

    void revoke_token(std::string_view token_hash);  // 32 bytes
    void revoke_user(std::string_view id);
    void revoke_all();

    // A log-out that did not reach PostgreSQL: the entries go, and `stale` is
    // closed to the token until its row is known to be gone.
    void bar(const TokenHash& token_hash);
    [[nodiscard]] bool barred(const TokenHash& token_hash);

  private:
    class Locked;
    class Changing;

    void clear();

    [[nodiscard]] std::uint32_t now_s() const {
        return static_cast<std::uint32_t>(*clock_ / 1000);
    }

    [[nodiscard]] ZoneCell& cell_at(std::uint32_t index) const {
        return *reinterpret_cast<ZoneCell*>(cells_ + index * cell_bytes_);
    }
    [[nodiscard]] SharedFacts facts_at(std::uint32_t index) const {
        return {cells_ + index * cell_bytes_ + sizeof(ZoneCell),
                cell_bytes_ - sizeof(ZoneCell)};
    }
    [[nodiscard]] bool keeps_facts() const {
        return cell_bytes_ != sizeof(ZoneCell);
    }
    [[nodiscard]] bool fits(const Session& session) const;
    [[nodiscard]] bool has_facts_of(std::uint32_t index,
                                    const Session& session) const;

    [[nodiscard]] std::uint32_t& token_bucket(const char* token_hash);
    [[nodiscard]] std::uint32_t& user_bucket(std::string_view id);
    [[nodiscard]] std::uint64_t& token_mark(const char* token_hash);
    [[nodiscard]] std::uint64_t& user_mark(std::string_view id);

    [[nodiscard]] std::uint32_t index_of(const TokenHash& token_hash,
                                         std::uint64_t fingerprint);
    [[nodiscard]] bool is_live(const ZoneEntry& entry) const;
    [[nodiscard]] bool order_counts() const;
    [[nodiscard]] bool wants_note(const ZoneEntry& entry,
                                  std::uint32_t used_at_s) const;
    void note_use(std::uint32_t index);
    [[nodiscard]] bool peek(const TokenHash& token_hash,
                            std::uint64_t fingerprint, std::uint32_t place,
                            ZoneEntry& out, ZoneFacts* facts) const;
    [[nodiscard, gnu::cold]] bool search(const TokenHash& token_hash,
                                         std::uint64_t fingerprint,
                                         std::uint32_t& place, ZoneEntry& out,
                                         ZoneFacts* facts);

    void put(const Answer& answer);
    void put(const ZoneEntry& entry, const Session* session, bool warm);
    void put_bar(const TokenHash& token_hash);
    [[nodiscard]] std::uint32_t take_cell();
    void insert(std::uint32_t index, bool warm);
    void drop(std::uint32_t index);
    void drop_token(std::string_view token_hash);
    void link_recent(std::uint32_t index);
    void link_oldest(std::uint32_t index);
    void unlink_recent(std::uint32_t index);
    void move_to_front(std::uint32_t index);
    void evict();

    Lock& lock_;
    Clock clock_;
    ZoneHeader* header_ = nullptr;  // null until the memory is there
    char* cells_ = nullptr;
    std::size_t cell_bytes_ = sizeof(ZoneCell);
    std::uint64_t* token_marks_ = nullptr;
    std::uint64_t* user_marks_ = nullptr;
    std::uint32_t* by_token_ = nullptr;
    std::uint32_t* by_user_ = nullptr;
};

}  // namespace sigra::cache
