// What may be done to a zone while others look at it.
#pragma once

#include "cache/zone.hpp"

namespace sigra::nginx {

// The mutex. Who finds that somebody died in the middle of a change empties
// the zone: links may lead anywhere, and a mark may be missing.
class Zone::Locked {
  public:
    explicit Locked(Zone& zone) : zone_(zone) {
        ngx_shmtx_lock(&zone_.slab_->mutex);
        if (zone_.header_->version % 2 != 0) {
            zone_.clear();
        }
    }
    ~Locked() { ngx_shmtx_unlock(&zone_.slab_->mutex); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;

  private:
    Zone& zone_;
};

// Under the mutex, and never one within another.
class Zone::Changing {
  public:
    explicit Changing(Zone& zone) : version_(zone.header_->version) {
        __atomic_store_n(&version_, version_ | 1, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
    }
    ~Changing() { __atomic_store_n(&version_, version_ + 1, __ATOMIC_RELEASE); }
    Changing(const Changing&) = delete;
    Changing& operator=(const Changing&) = delete;

  private:
    std::uint32_t& version_;
};

}  // namespace sigra::nginx
