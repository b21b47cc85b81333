// The session cache in shared memory: fixed cells, found by token and by
// user, evicted from the least recently used, and the marks that say what was
// revoked last. Every worker, of this configuration and the one before, works
// on the same memory under the mutex of the slab pool, the only one that the
// master unlocks for a worker that died. Only a session that was found before
// is read without it: the header's version tells whether anything has changed
// meanwhile, and a change makes it odd and then even again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "cache/zone_layout.hpp"
#include "nginx/ngx.hpp"
#include "phoenix/crypto.hpp"
#include "postgres/statements.hpp"

namespace sigra::nginx {

// The monotonic clock as this turn of the loop has it, the same for all
// workers, in milliseconds.
[[nodiscard]] inline std::int64_t monotonic_ms() {
    return static_cast<std::int64_t>(ngx_current_msec);
}

[[nodiscard]] inline std::uint32_t monotonic_s() {
    return static_cast<std::uint32_t>(monotonic_ms() / 1000);
}

class Zone {
  public:
    // What is smaller holds too few sessions to be meant.
    static constexpr std::size_t min_size = std::size_t{64} * 1024;

    // `shm` is the cycle's, and so is this object.
    explicit Zone(ngx_shm_zone_t* shm);

    // For nginx, once the memory is there: takes over what an equal zone of
    // the cycle before holds, or lays out an empty one.
    static ngx_int_t init(ngx_shm_zone_t* shm, void* old) noexcept;

    [[nodiscard]] std::string_view name() const { return view(shm_->shm.name); }

    // What a lookup remembers when it is sent.
    [[nodiscard]] std::uint64_t seq();
    // A new number: what was sent before it is older.
    [[nodiscard]] std::uint64_t next_seq();

    // A copy of the entry, its text as far as it goes; false where there is
    // none. `place`: where it was the last time, which is looked at first, with
    // no lock taken; no_cell, or anything.
    [[nodiscard]] bool find(const phoenix::Sha256& token_hash,
                            std::uint64_t fingerprint, std::uint32_t& place,
                            ZoneCell& out);
    // Before find(): its memory is on the way while something else is done.
    void prefetch(std::uint32_t place) const {
        if (place == no_cell || cells_ == nullptr) {
            return;
        }
        const char* cell = reinterpret_cast<const char*>(cells_ + place);
        for (std::size_t at = 0; at < peeked; at += 64) {
            __builtin_prefetch(cell + at);
        }
    }

    // What PostgreSQL answered. `row` is null where it knows no such session.
    struct Answer {
        const phoenix::Sha256& token_hash;
        std::uint64_t fingerprint;
        std::uint64_t sent;  // seq() of then
        std::int64_t at;     // monotonic_ms() of the answer
        const postgres::SessionRow* row;
        bool store;     // may be kept
        bool listened;  // this worker's channel was up
    };
    // False: something that concerns it was revoked since it was sent, and it
    // is to be asked again. Else it is kept where it may be and fits.
    [[nodiscard]] bool settle(const Answer& answer);

    // A use was written down: the session is active at `now`.
    void touch(const phoenix::Sha256& token_hash, std::uint64_t fingerprint,
               std::int64_t now);

    void revoke_token(std::string_view token_hash);  // 32 bytes
    void revoke_user(std::string_view id);
    void revoke_all();

    // A log-out that did not reach PostgreSQL: the entries go, and `stale` is
    // closed to the token until its row is known to be gone.
    void bar(const phoenix::Sha256& token_hash);
    [[nodiscard]] bool barred(const phoenix::Sha256& token_hash);

  private:
    class Locked;
    class Changing;

    // Of a cell, by who reads without a lock: its text is longer seldom.
    static constexpr std::size_t peeked = 160;

    void lay_out(void* memory, std::size_t size);
    void clear();

    [[nodiscard]] std::uint32_t& token_bucket(const char* token_hash);
    [[nodiscard]] std::uint32_t& user_bucket(std::string_view id);
    [[nodiscard]] std::uint64_t& token_mark(const char* token_hash);
    [[nodiscard]] std::uint64_t& user_mark(std::string_view id);

    [[nodiscard]] std::uint32_t index_of(const char* token_hash,
                                         std::uint64_t fingerprint);
    [[nodiscard]] bool is_live(const ZoneCell& cell) const;
    [[nodiscard]] bool order_counts() const;
    [[nodiscard]] bool wants_note(const ZoneCell& cell) const;
    void note_use(std::uint32_t index);
    [[nodiscard]] bool peek(const phoenix::Sha256& token_hash,
                            std::uint64_t fingerprint, std::uint32_t place,
                            ZoneCell& out) const;
    [[nodiscard, gnu::cold]] bool search(const phoenix::Sha256& token_hash,
                                         std::uint64_t fingerprint,
                                         std::uint32_t& place, ZoneCell& out);

    void put(const Answer& answer);
    void put_bar(const phoenix::Sha256& token_hash);
    [[nodiscard]] std::uint32_t take_cell();
    void insert(std::uint32_t index, bool warm);
    void drop(std::uint32_t index);
    void drop_token(std::string_view token_hash);
    void link_recent(std::uint32_t index);
    void link_oldest(std::uint32_t index);
    void unlink_recent(std::uint32_t index);
    void move_to_front(std::uint32_t index);
    void evict();

    ngx_shm_zone_t* shm_;
    ZoneHeader* header_ = nullptr;  // null until the memory is there
    ZoneCell* cells_ = nullptr;
    ngx_slab_pool_t* slab_ = nullptr;
    std::uint64_t* token_marks_ = nullptr;
    std::uint64_t* user_marks_ = nullptr;
    std::uint32_t* by_token_ = nullptr;
    std::uint32_t* by_user_ = nullptr;
};

}  // namespace sigra::nginx
