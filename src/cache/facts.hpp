// The facts about a session's user: which conditions of auth_sigra_require
// hold, and the attributes. In a zone that keeps facts, they follow the entry
// in its cell.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sigra::cache {

// The limit for all attributes of one session, in bytes. The zone does not
// interpret them.
inline constexpr std::size_t max_attributes = 8192;

// A plain value, not zeroed: only the part that is used is written and read.
struct ZoneFacts {
    std::uint64_t met;       // a bit for each condition that holds
    std::uint64_t judged;    // and for each that PostgreSQL could evaluate
    std::uint32_t readable;  // and for each attribute
    std::uint32_t length;    // of the attributes
    char text[max_attributes];

    [[nodiscard]] std::string_view attributes() const { return {text, length}; }
};

// The facts in shared memory. As with SharedEntry, access is by whole words,
// relaxed, and what was read is valid only if the zone's version did not
// change.
class SharedFacts {
  public:
    static constexpr std::size_t head = offsetof(ZoneFacts, text);

    // The bytes that a cell needs for attributes of that many bytes.
    [[nodiscard]] static constexpr std::size_t bytes_for(
        std::size_t attributes) {
        return (head + attributes + 7) / 8 * 8;
    }

    // `memory`: `bytes` bytes, aligned to 8.
    SharedFacts(char* memory, std::size_t bytes)
        : words_(reinterpret_cast<Aliased*>(memory)), bytes_(bytes) {}

    // The caller checks that `from.length` fits.
    void store(const ZoneFacts& from) {
        for (std::size_t i = 0; i < words_with(from.length); i++) {
            Plain word = 0;
            std::memcpy(&word, reinterpret_cast<const char*>(&from) + i * 8,
                        sizeof(word));
            __atomic_store_n(words_ + i, word, __ATOMIC_RELAXED);
        }
    }

    // Returns false if the length is impossible, because the facts are being
    // written.
    [[nodiscard]] bool load(ZoneFacts& out) const {
        for (std::size_t i = 0; i < head / 8; i++) {
            copy_out(i, out);
        }
        if (out.length > bytes_ - head) {
            return false;
        }
        for (std::size_t i = head / 8; i < words_with(out.length); i++) {
            copy_out(i, out);
        }
        return true;
    }

    // Prefetches the memory that load() will usually read.
    void prefetch() const {
        __builtin_prefetch(words_);
        __builtin_prefetch(reinterpret_cast<const char*>(words_) + 64);
    }

  private:
    using Plain = std::uint64_t;
    using Aliased [[gnu::may_alias]] = Plain;

    static constexpr std::size_t words_with(std::size_t text) {
        return (head + text + 7) / 8;
    }
    void copy_out(std::size_t i, ZoneFacts& out) const {
        const Plain word = __atomic_load_n(words_ + i, __ATOMIC_RELAXED);
        std::memcpy(reinterpret_cast<char*>(&out) + i * 8, &word, sizeof(word));
    }

    Aliased* words_;
    std::size_t bytes_;
};
static_assert(SharedFacts::head % 8 == 0);
static_assert(max_attributes % 8 == 0);

}  // namespace sigra::cache
