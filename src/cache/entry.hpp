// One cached session: as a plain value, and in shared memory, where it is read
// without a lock while another process may be writing it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sigra::cache {

// SHA-256 of the raw token.
using TokenHash = std::array<char, 32>;

// A time that is not known.
inline constexpr std::int64_t no_time =
    std::numeric_limits<std::int64_t>::min();

// Times are in milliseconds of the zone's clock. They are computed from the
// ages that PostgreSQL returned.
struct ZoneEntry {
    enum Flags : std::uint8_t {
        remember_me = 1,
        dead = 2,        // PostgreSQL has no such session
        bar = 4,         // not a session: the token must not pass as `stale`
        unlistened = 8,  // stored by a worker whose channel was down
        free = 16,
        used = 32,  // since it was last moved in the order of use
    };

    char token_hash[32];
    std::uint64_t fingerprint;  // of the source; the key with token_hash
    std::uint64_t stamp;        // seq when the lookup was sent
    std::int64_t verified_at;
    std::int64_t inserted_at;
    std::int64_t authenticated;
    std::int64_t active_at;
    std::int64_t authenticated_at;  // Unix seconds
    // The server that answered. A worker that listens to another one would not
    // receive the session's revocation.
    std::uint64_t server;
    std::uint8_t flags;
    std::uint8_t user_id_length;
    std::uint8_t email_length;
    char text[197];  // a uuid and the longest email that Phoenix accepts, 160

    [[nodiscard]] std::string_view user_id() const {
        return {text, user_id_length};
    }
    [[nodiscard]] std::string_view email() const {
        return {text + user_id_length, email_length};
    }
    [[nodiscard]] bool has(Flags flag) const { return (flags & flag) != 0; }
};

// The entry in shared memory. All writes, and reads without the lock, are
// relaxed atomic operations on whole words. The entry is private so that
// nothing else can write to it.
class SharedEntry {
  public:
    // Only under the lock, when nobody writes.
    [[nodiscard]] const ZoneEntry& held() const { return entry_; }

    // Writes only as much of the text as is used.
    void store(const ZoneEntry& from) {
        const std::size_t length =
            std::size_t{from.user_id_length} + from.email_length;
        for (std::size_t i = 0; i < words_with(length); i++) {
            Plain word = 0;
            std::memcpy(&word, reinterpret_cast<const char*>(&from) + at(i),
                        sizeof(word));
            write(i, word);
        }
    }
    void set_flags(unsigned flags) {
        std::array<unsigned char, sizeof(Plain)> bytes;
        std::memcpy(bytes.data(), &entry_.flags, sizeof(bytes));
        bytes[0] = static_cast<unsigned char>(flags);
        Plain word = 0;
        std::memcpy(&word, bytes.data(), sizeof(word));
        write(offsetof(ZoneEntry, flags) / sizeof(Plain), word);
    }
    void set_active_at(std::int64_t moment) {
        write(offsetof(ZoneEntry, active_at) / sizeof(Plain),
              static_cast<Plain>(moment));
    }

    // Reads without the lock. `out` may be a mixture of two entries, so it is
    // valid only if the zone's version did not change meanwhile. The hash and
    // the fingerprint are not copied, because the caller has them. Returns
    // false if it is another session's entry; `out` is then undefined.
    [[nodiscard, gnu::always_inline]] bool load_if(const TokenHash& hash,
                                                   std::uint64_t fingerprint,
                                                   ZoneEntry& out) const {
        if (!is_of(hash, fingerprint, std::make_index_sequence<hash_words>())) {
            return false;
        }
        copy_usual(out,
                   std::make_index_sequence<usual_words - hash_words - 1>());
        const std::size_t length =
            std::size_t{out.user_id_length} + out.email_length;
        if (length > sizeof(out.text)) {
            return false;
        }
        for (std::size_t i = usual_words; i < words_with(length); i++) {
            copy_out(i, out);
        }
        return true;
    }

    // Prefetches the memory that load_if() will read.
    void prefetch() const {
        const char* memory = reinterpret_cast<const char*>(this);
        for (std::size_t at = 0; at < usual_words * sizeof(Plain); at += 64) {
            __builtin_prefetch(memory + at);
        }
    }

  private:
    using Plain = std::uint64_t;
    using Aliased [[gnu::may_alias]] = Plain;

    static constexpr std::size_t hash_words = sizeof(TokenHash) / 8;
    // Covers a text of up to 45 bytes; few are longer.
    static constexpr std::size_t usual_words = 18;

    static constexpr std::size_t at(std::size_t word) {
        return word * sizeof(Plain);
    }
    static constexpr std::size_t words_with(std::size_t text) {
        return (offsetof(ZoneEntry, text) + text + sizeof(Plain) - 1) /
               sizeof(Plain);
    }

    [[nodiscard]] Plain read(std::size_t word) const {
        return __atomic_load_n(reinterpret_cast<const Aliased*>(&entry_) + word,
                               __ATOMIC_RELAXED);
    }
    void write(std::size_t word, Plain value) {
        __atomic_store_n(reinterpret_cast<Aliased*>(&entry_) + word, value,
                         __ATOMIC_RELAXED);
    }
    void copy_out(std::size_t i, ZoneEntry& out) const {
        const Plain word = read(i);
        std::memcpy(reinterpret_cast<char*>(&out) + at(i), &word, sizeof(word));
    }

    // Unrolled, because each request runs them.
    template <std::size_t... i>
    [[nodiscard]] bool is_of(const TokenHash& hash, std::uint64_t fingerprint,
                             std::index_sequence<i...>) const {
        const auto word = [&](std::size_t number) {
            Plain out = 0;
            std::memcpy(&out, hash.data() + at(number), sizeof(out));
            return out;
        };
        return ((read(hash_words) ^ fingerprint) | ... | (read(i) ^ word(i))) ==
               0;
    }
    template <std::size_t... i>
    void copy_usual(ZoneEntry& out, std::index_sequence<i...>) const {
        (copy_out(hash_words + 1 + i, out), ...);
    }

    ZoneEntry entry_;
};
static_assert(sizeof(ZoneEntry) == 296);
static_assert(sizeof(ZoneEntry) % sizeof(std::uint64_t) == 0);
static_assert(offsetof(ZoneEntry, flags) % sizeof(std::uint64_t) == 0);
static_assert(offsetof(ZoneEntry, fingerprint) == sizeof(TokenHash));
static_assert(std::is_trivially_copyable_v<ZoneEntry>);

}  // namespace sigra::cache
