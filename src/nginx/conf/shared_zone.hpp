// A session cache in nginx's shared memory. Owns what the zone is given: the
// memory is the slab pool's, the lock its mutex, which is the only one that the
// master unlocks for a worker that died, and the clock is the event loop's.
#pragma once

#include "cache/zone.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

class SharedZone final : private cache::Lock {
  public:
    // For `shm`, which is to keep it as its data; both are the cycle's.
    SharedZone();

    // For nginx, once the memory is there: takes over what an equal zone of
    // the cycle before holds, or lays out an empty one.
    static ngx_int_t init(ngx_shm_zone_t* shm, void* old) noexcept;

    [[nodiscard]] cache::Zone& zone() { return zone_; }

    // Before it has memory: Zone::create()'s.
    void keep_facts(std::size_t bytes) { facts_ = bytes; }

  private:
    void lock() noexcept override { ngx_shmtx_lock(&slab_->mutex); }
    void unlock() noexcept override { ngx_shmtx_unlock(&slab_->mutex); }

    ngx_slab_pool_t* slab_ = nullptr;
    std::size_t facts_ = 0;
    cache::Zone zone_;
};

}  // namespace sigra::nginx
