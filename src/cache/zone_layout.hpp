// The layout of a zone's memory. Links are 32-bit indices into one array of
// cells, so the memory may be mapped at any address.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "cache/entry.hpp"
#include "cache/facts.hpp"
#include "cache/word.hpp"

namespace sigra::cache {

inline constexpr std::uint32_t no_cell =
    std::numeric_limits<std::uint32_t>::max();

// An entry and its links. The links are used only under the lock. In a zone
// that keeps facts, they follow in the same cell.
struct ZoneCell {
    SharedEntry entry;
    Word<std::uint32_t> used_at_s;  // when it was last moved to the front
    std::uint32_t next_by_token;    // also the list of free cells
    std::uint32_t next_by_user;
    std::uint32_t previous_by_user;
    std::uint32_t newer;
    std::uint32_t older;
};
static_assert(sizeof(ZoneCell) == 320);

struct ZoneHeader {
    std::uint64_t seq = 0;
    Word<std::uint64_t> revoked_all;  // the mark for everything
    // Odd while a process changes the zone, or if it died during a change.
    std::atomic<std::uint32_t> version{0};
    std::uint32_t cells = 0;
    std::uint32_t marks = 0;          // of tokens, and as many of users
    std::uint32_t token_buckets = 0;  // a power of two, as the other two are
    std::uint32_t user_buckets = 0;
    Word<std::uint32_t> untouched;  // cells from here on were never used
    std::uint32_t first_free = 0;
    std::uint32_t newest = 0;
    std::uint32_t oldest = 0;
    std::uint32_t facts = 0;  // bytes of them in each cell
    std::uint64_t entries = 0;
    std::uint64_t evictions = 0;
};
static_assert(sizeof(ZoneHeader) % alignof(ZoneCell) == 0);

// Computes how memory is divided: as many cells as fit together with their
// buckets and marks. Sizes are in bytes.
struct ZoneGeometry {
    std::size_t cell_bytes;
    std::uint32_t cells;
    std::uint32_t marks;
    std::uint32_t token_buckets;
    std::uint32_t user_buckets;

    [[nodiscard]] static ZoneGeometry of_cells(std::uint32_t cells,
                                               std::size_t cell_bytes) {
        const std::uint32_t floor = std::bit_floor(cells);
        const std::uint32_t marks = floor / 16;
        return {cell_bytes, cells,
                marks < 256 ? 256 : (marks > 8192 ? 8192 : marks), floor,
                floor / 4};
    }

    [[nodiscard]] std::size_t bytes() const {
        return sizeof(ZoneHeader) +
               std::size_t{marks} * 2 * sizeof(std::uint64_t) +
               (std::size_t{token_buckets} + user_buckets) *
                   sizeof(std::uint32_t) +
               std::size_t{cells} * cell_bytes;
    }

    [[nodiscard]] static ZoneGeometry of_size(
        std::size_t size, std::size_t cell_bytes = sizeof(ZoneCell)) {
        std::size_t cells = size / cell_bytes;
        if (cells >= no_cell) {
            cells = no_cell - 1;
        }
        while (cells > 4 &&
               of_cells(static_cast<std::uint32_t>(cells), cell_bytes).bytes() >
                   size) {
            cells -= 1 + cells / 1024;
        }
        return of_cells(static_cast<std::uint32_t>(cells), cell_bytes);
    }
};

}  // namespace sigra::cache
