// Remembers lookups whose own row raised an error, such as a condition that
// divides by zero for one user. The next lookup of that row is sent under its
// own sync, so that its error fails no other query.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "postgres/pool.hpp"

namespace sigra::postgres {

// A fixed table of hashes, in which a new one overwrites the one in its place.
// A lookup whose token has the same hash is also sent alone, which is slower
// but not wrong.
class Erring {
  public:
    void add(const Query& query) noexcept {
        if (const std::uint64_t mark = mark_of(query)) {
            place(mark) = mark;
            has_any_ = true;
        }
    }
    [[nodiscard]] bool has(const Query& query) noexcept {
        const std::uint64_t mark = has_any_ ? mark_of(query) : 0;
        return mark != 0 && place(mark) == mark;
    }
    // Called when the query was answered without an error.
    void remove(const Query& query) noexcept {
        if (has(query)) {
            place(mark_of(query)) = 0;
        }
    }

  private:
    // Returns 0 for a query that is never remembered.
    static std::uint64_t mark_of(const Query& query) noexcept {
        if (query.statement != Statement::lookup ||
            query.parameters.size() != 1 || !query.parameters.front().bytes) {
            return 0;
        }
        const std::string_view token = *query.parameters.front().bytes;
        return std::max<std::uint64_t>(
            std::hash<std::string_view>{}(token) + query.layout, 1);
    }
    std::uint64_t& place(std::uint64_t mark) noexcept {
        return places_[mark % places_.size()];
    }

    std::array<std::uint64_t, 1024> places_{};
    bool has_any_ = false;
};

}  // namespace sigra::postgres
