// A session cache in nginx's shared memory. The zone gets the slab pool's
// memory, the slab pool's mutex, because that is the only one that the master
// unlocks for a worker that died, and the event loop's clock.
#pragma once

#include "cache/zone.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

class SharedZone final : private cache::Lock {
  public:
    // `shm->data` has to point to this object; both live as long as the cycle.
    SharedZone();

    // Called by nginx when the memory is there: takes over the zone of the
    // cycle before if it is the same one, or makes an empty one.
    static ngx_int_t init(ngx_shm_zone_t* shm, void* old) noexcept;

    [[nodiscard]] cache::Zone& zone() { return zone_; }

    // The `facts` of Zone::create(). Called before init().
    void keep_facts(std::size_t bytes) { facts_ = bytes; }

  private:
    void lock() noexcept override { ngx_shmtx_lock(&slab_->mutex); }
    void unlock() noexcept override { ngx_shmtx_unlock(&slab_->mutex); }

    ngx_slab_pool_t* slab_ = nullptr;
    std::size_t facts_ = 0;
    cache::Zone zone_;
};

}  // namespace sigra::nginx
