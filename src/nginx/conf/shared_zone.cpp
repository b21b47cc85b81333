#include "nginx/conf/shared_zone.hpp"

namespace sigra::nginx {

SharedZone::SharedZone() : zone_(*this, &ngx_current_msec) {}

ngx_int_t SharedZone::init(ngx_shm_zone_t* shm, void* old) noexcept {
    auto& self = *static_cast<SharedZone*>(shm->data);
    self.slab_ = reinterpret_cast<ngx_slab_pool_t*>(shm->shm.addr);
    if (old != nullptr) {
        self.zone_.attach(static_cast<SharedZone*>(old)->zone_.memory());
        return NGX_OK;
    }
    const std::size_t size = self.slab_->pfree * ngx_pagesize;
    void* memory = ngx_slab_alloc(self.slab_, size);
    if (memory == nullptr) {
        return NGX_ERROR;
    }
    self.zone_.create(memory, size, self.facts_);
    return NGX_OK;
}

}  // namespace sigra::nginx
