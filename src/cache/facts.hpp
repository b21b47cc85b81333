// What is kept of a session's user beside who it is: which of the source's
// conditions hold, and its attributes. Behind an entry in its cell, where a
// zone is to keep them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sigra::cache {

// All attributes of one session, in whatever form: the zone does not look into
// them.
inline constexpr std::size_t max_attributes = 8192;

// A plain value, not made zero: only what was stored is copied.
struct ZoneFacts {
    std::uint64_t met;       // a bit for each condition that holds
    std::uint64_t judged;    // and for each that PostgreSQL could evaluate
    std::uint32_t readable;  // and for each attribute
    std::uint32_t length;    // of the attributes
    char text[max_attributes];

    [[nodiscard]] std::string_view attributes() const { return {text, length}; }
};

// In shared memory, as SharedEntry is: whole words, relaxed, and what comes out
// counts where the zone's version says so.
class SharedFacts {
  public:
    static constexpr std::size_t head = offsetof(ZoneFacts, text);

    // Bytes behind an entry for attributes of that many bytes.
    [[nodiscard]] static constexpr std::size_t bytes_for(
        std::size_t attributes) {
        return (head + attributes + 7) / 8 * 8;
    }

    // `memory`: that many bytes, aligned as a word is.
    SharedFacts(char* memory, std::size_t bytes)
        : words_(reinterpret_cast<Aliased*>(memory)), bytes_(bytes) {}

    // `from.length` is no more than there is room for.
    void store(const ZoneFacts& from) {
        for (std::size_t i = 0; i < words_with(from.length); i++) {
            Plain word = 0;
            std::memcpy(&word, reinterpret_cast<const char*>(&from) + i * 8,
                        sizeof(word));
            __atomic_store_n(words_ + i, word, __ATOMIC_RELAXED);
        }
    }

    // False: what is there is half of one and half of another.
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

    // Memory that load() wants soon: the head, and what attributes mostly have.
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
