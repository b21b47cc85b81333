// When a token, a user or everything was last revoked, as far as this worker
// knows. An answer to a lookup that was sent before that is not believed.
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

    // Tokens share marks by their hash. After a revocation, lookups of others
    // with the same mark may be repeated for nothing.
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
