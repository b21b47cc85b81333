// When a token, a user or everything was last revoked, as far as this worker
// has heard: for the lookups that were under way then.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace sigra::cache {

class Marks {
  public:
    [[nodiscard]] std::uint64_t seq() const { return seq_; }

    void revoked_token(std::string_view hash) { tokens_[at(hash)] = ++seq_; }
    void revoked_user(std::string_view id) { users_[at(id)] = ++seq_; }
    void revoked_all() { all_ = ++seq_; }

    // Others that share a mark are asked again for nothing.
    [[nodiscard]] std::uint64_t token(std::string_view hash) const {
        return std::max(all_, tokens_[at(hash)]);
    }
    [[nodiscard]] std::uint64_t user(std::string_view id) const {
        return users_[at(id)];
    }

  private:
    static constexpr std::size_t count = 512;

    static std::size_t at(std::string_view what) {
        return std::hash<std::string_view>()(what) % count;
    }

    std::uint64_t seq_ = 0;
    std::uint64_t all_ = 0;
    std::array<std::uint64_t, count> tokens_{};
    std::array<std::uint64_t, count> users_{};
};

}  // namespace sigra::cache
