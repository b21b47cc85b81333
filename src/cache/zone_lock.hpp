// Guards for access to a zone that other processes use.
#pragma once

#include "cache/zone.hpp"

namespace sigra::cache {

// Holds the lock. If a process died during a change, links may be broken and a
// mark may be missing, so the zone is emptied.
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

// Marks a change for readers without the lock. Used under the lock, and not
// nested.
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
