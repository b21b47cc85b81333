// What a zone's memory looks like. Links are 32-bit indices into one array of
// cells, so that the memory may lie anywhere.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace sigra::nginx {

inline constexpr std::uint32_t no_cell =
    std::numeric_limits<std::uint32_t>::max();
// Where a time is not known.
inline constexpr std::int64_t no_time =
    std::numeric_limits<std::int64_t>::min();

// One session as one source sees it. Times are the monotonic clock's, in
// milliseconds: ages that PostgreSQL told, counted on.
struct ZoneCell {
    enum Flags : std::uint8_t {
        remember_me = 1,
        dead = 2,        // PostgreSQL knows no such session
        bar = 4,         // no entry: `stale` is closed to the token
        unlistened = 8,  // stored by a worker whose channel was down
        free = 16,
        used = 32,  // since it stands where it does among the others
    };

    char token_hash[32];
    std::uint64_t fingerprint;
    std::uint64_t stamp;  // seq when the lookup was sent
    std::int64_t verified_at;
    std::int64_t inserted_at;
    std::int64_t authenticated;
    std::int64_t active_at;
    std::int64_t authenticated_at;  // Unix seconds
    std::uint32_t next_by_token;    // also the list of free cells
    std::uint32_t next_by_user;
    std::uint32_t previous_by_user;
    std::uint32_t newer;
    std::uint32_t older;
    std::uint32_t used_at_s;  // when it was last moved to the front
    std::uint8_t flags;
    std::uint8_t user_id_length;
    std::uint8_t email_length;
    char text[197];  // a uuid and the longest email that Phoenix takes, 160

    [[nodiscard]] std::string_view user_id() const {
        return {text, user_id_length};
    }
    [[nodiscard]] std::string_view email() const {
        return {text + user_id_length, email_length};
    }
    [[nodiscard]] bool has(Flags flag) const { return (flags & flag) != 0; }
};
static_assert(sizeof(ZoneCell) == 312);
static_assert(std::is_trivially_copyable_v<ZoneCell>);

struct ZoneHeader {
    std::uint64_t seq;
    std::uint64_t revoked_all;  // the mark for everything
    std::uint32_t version;      // odd: somebody is changing it, or died of it
    std::uint32_t cells;
    std::uint32_t marks;          // of tokens, and as many of users
    std::uint32_t token_buckets;  // both powers of two
    std::uint32_t user_buckets;
    std::uint32_t untouched;  // cells from here on were never used
    std::uint32_t first_free;
    std::uint32_t newest;
    std::uint32_t oldest;
    std::uint32_t reserved;
};
static_assert(sizeof(ZoneHeader) % alignof(ZoneCell) == 0);

// How memory of a size is divided: as many cells as fit beside their share of
// buckets and marks.
struct ZoneGeometry {
    std::uint32_t cells;
    std::uint32_t marks;
    std::uint32_t token_buckets;
    std::uint32_t user_buckets;

    [[nodiscard]] static ZoneGeometry of_cells(std::uint32_t cells) {
        const std::uint32_t floor = std::bit_floor(cells);
        const std::uint32_t marks = floor / 16;
        return {cells, marks < 256 ? 256 : (marks > 8192 ? 8192 : marks), floor,
                floor / 4};
    }

    [[nodiscard]] std::size_t bytes() const {
        return sizeof(ZoneHeader) +
               std::size_t{marks} * 2 * sizeof(std::uint64_t) +
               (std::size_t{token_buckets} + user_buckets) *
                   sizeof(std::uint32_t) +
               std::size_t{cells} * sizeof(ZoneCell);
    }

    [[nodiscard]] static ZoneGeometry of_size(std::size_t size) {
        std::size_t cells = size / sizeof(ZoneCell);
        if (cells >= no_cell) {
            cells = no_cell - 1;
        }
        while (cells > 4 &&
               of_cells(static_cast<std::uint32_t>(cells)).bytes() > size) {
            cells -= 1 + cells / 1024;
        }
        return of_cells(static_cast<std::uint32_t>(cells));
    }
};

}  // namespace sigra::nginx
