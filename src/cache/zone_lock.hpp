// What may be done to a zone while others look at it.
#pragma once

#include "cache/zone.hpp"

namespace sigra::cache {

// The lock. Who finds that somebody died in the middle of a change empties
// the zone: links may lead anywhere, and a mark may be missing.
class Zone::Locked {
  public:
    explicit Locked(Zone& zone) : zone_(zone) {
        zone_.lock_.lock();
        if (zone_.header_->version % 2 != 0) {
            zone_.clear();
        }
    }
    ~Locked() { zone_.lock_.unlock(); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    Zone& zone_;
};

// Under the lock, and never one within another.
class Zone::Changing {
  public:
    explicit Changing(Zone& zone) : version_(zone.header_->version) {
        version_.store(version_.load(std::memory_order_relaxed) | 1,
                       std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_release);
    }
    ~Changing() {
        version_.store(version_.load(std::memory_order_relaxed) + 1,
                       std::memory_order_release);
    }
    Changing(const Changing&) = delete;
    Changing& operator=(const Changing&) = delete;

  private:
    std::atomic<std::uint32_t>& version_;
};

}  // namespace sigra::cache
