// What the bytes of a Cookie header came to. A session's life is many requests
// with the same cookie, and its signature is right each time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nginx/conf.hpp"
#include "phoenix/crypto.hpp"

namespace sigra::nginx {

// Bounded: two places for each header's hash, of which the one that was
// written last stays. What goes is wiped: these are secrets.
class SessionMemo {
  public:
    // Views into the memo, until the next remember().
    struct Remembered {
        std::string_view payload;
        std::string_view token;  // raw
        const phoenix::Sha256* token_hash;
    };

    SessionMemo();
    ~SessionMemo();
    SessionMemo(const SessionMemo&) = delete;
    SessionMemo& operator=(const SessionMemo&) = delete;

    // False where these bytes are not known under these keys.
    [[nodiscard]] bool find(std::string_view header, const LocationConf& conf,
                            Remembered& out) const;
    void remember(std::string_view header, const LocationConf& conf,
                  const Remembered& what);

  private:
    struct Slot {
        std::uint64_t hash = 0;
        std::uint64_t cookies = 0;  // Cookies::id
        std::uint64_t source = 0;   // its fingerprint
        std::size_t header_length = 0;
        std::size_t payload_length = 0;
        phoenix::Sha256 token_hash{};
        std::string bytes;  // header, payload, token
    };

    [[nodiscard]] std::uint64_t hash_of(std::string_view header) const;

    std::uint64_t seed_ = 0;
    std::vector<Slot> slots_;
};

}  // namespace sigra::nginx
