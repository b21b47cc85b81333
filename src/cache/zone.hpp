// The session cache in shared memory. It has cells of a fixed size, which are
// found by token and by user and evicted in LRU order, and marks that say when
// something was last revoked. All workers use the same memory under one lock,
// also those of the previous configuration after a reload. Only a session that
// was found before is read without the lock, as with a seqlock: a writer makes
// the header's version odd, and even again when it is done, and a reader checks
// that the version is even and did not change.
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

// A row as PostgreSQL returned it. Ages are in milliseconds.
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
    // In bytes. A smaller zone holds too few sessions to be useful.
    static constexpr std::size_t min_size = std::size_t{64} * 1024;

    // Both must outlive the zone. create() or attach() must be called first.
    Zone(Lock& lock, Clock clock);

    // Initializes an empty zone in `memory`, aligned like a cell, before any
    // other process uses it. `size` is in bytes. `facts`: the bytes that each
    // cell has for facts, from SharedFacts::bytes_for(); 0: none are kept.
    void create(void* memory, std::size_t size, std::size_t facts = 0);
    // Uses a zone that this process or another one created. The memory may be
    // mapped at another address here.
    void attach(void* memory);
    [[nodiscard]] void* memory() const { return header_; }

    // A counter that each revocation increments. A lookup stores it when it is
    // sent; see Answer::sent.
    [[nodiscard]] std::uint64_t seq();
    // Increments it, so that all lookups sent before are older.
    [[nodiscard]] std::uint64_t next_seq();

    // Copies the entry to `out`, except the hash and the fingerprint. Returns
    // false if there is none. `place` is a hint where it was the last time, and
    // is updated; that cell is tried first, without the lock. It may be no_cell
    // or wrong. If `facts` is not null, the facts are copied too; if the zone
    // keeps none, the result is false.
    [[nodiscard]] bool find(const TokenHash& token_hash,
                            std::uint64_t fingerprint, std::uint32_t& place,
                            ZoneEntry& out, ZoneFacts* facts = nullptr);
    // Prefetches the memory for find(), to be called some time before it.
    void prefetch(std::uint32_t place) const {
        if (place != no_cell && cells_ != nullptr) {
            cell_at(place).entry.prefetch();
            if (keeps_facts()) {
                facts_at(place).prefetch();
            }
        }
    }

    // What PostgreSQL answered. `session` is null if there is no such session.
    struct Answer {
        const TokenHash& token_hash;
        std::uint64_t fingerprint;
        std::uint64_t sent;  // seq() when the lookup was sent
        std::int64_t at;     // the clock when the answer came
        const Session* session;
        bool store;                // may be kept
        bool listened;             // this worker's channel was up
        std::uint64_t server = 0;  // identifies the server that answered
    };
    // Returns false if the token, its user or everything was revoked since the
    // lookup was sent; the lookup must be repeated. Otherwise the answer is
    // stored if that is allowed and it fits. If it is not stored, an older
    // entry with other facts is removed.
    [[nodiscard]] bool settle(const Answer& answer);

    // Whether a session with attributes of that many bytes can be stored.
    [[nodiscard]] bool has_room_for(std::size_t attributes) const {
        return attributes == 0 || (attributes <= max_attributes &&
                                   SharedFacts::bytes_for(attributes) <=
                                       cell_bytes_ - sizeof(ZoneCell));
    }

    // The session's activity was recorded: sets active_at to `now`.
    void touch(const TokenHash& token_hash, std::uint64_t fingerprint,
               std::int64_t now);

    struct Figures {
        std::uint64_t cells;      // how many entries fit
        std::uint64_t entries;    // stored, dead sessions included
        std::uint64_t evictions;  // since the zone was created
    };
    [[nodiscard]] Figures figures();

    void revoke_token(std::string_view token_hash);  // 32 bytes
    void revoke_user(std::string_view id);
    void revoke_all();

    // For a log-out that did not reach PostgreSQL: removes the token's entries,
    // and marks the token so that it cannot pass as `stale`, until the
    // revocation of the token arrives. barred() tells whether it is marked.
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
    ZoneHeader* header_ = nullptr;  // null until create() or attach()
    char* cells_ = nullptr;
    std::size_t cell_bytes_ = sizeof(ZoneCell);
    std::uint64_t* token_marks_ = nullptr;
    std::uint64_t* user_marks_ = nullptr;
    std::uint32_t* by_token_ = nullptr;
    std::uint32_t* by_user_ = nullptr;
};

}  // namespace sigra::cache
