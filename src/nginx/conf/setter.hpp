// Helpers for the setters of all directives.
#pragma once

#include <new>
#include <utility>

#include "nginx/conf/conf.hpp"
#include "nginx/ngx.hpp"

namespace sigra::nginx {

inline constexpr char is_duplicate[] = "is duplicate";

inline LocationConf& location(void* conf) {
    return *static_cast<LocationConf*>(conf);
}

// Runs a setter's body behind the exception boundary.
template <class Body>
char* setter(ngx_conf_t* cf, Body&& body) noexcept {
    return guarded(cf->log, static_cast<char*>(NGX_CONF_ERROR),
                   std::forward<Body>(body));
}

// Makes an object in the configuration's pool. Throws bad_alloc.
template <class T>
T* make(ngx_conf_t* cf, T value = {}) {
    T* object = pool_make<T>(cf->pool, std::move(value));
    if (object == nullptr) {
        throw std::bad_alloc();
    }
    return object;
}

}  // namespace sigra::nginx
