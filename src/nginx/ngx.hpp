// The only file that includes nginx's headers, and a few helpers that every
// file in this room needs.
#pragma once

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_thread_pool.h>
}

#if !(NGX_THREADS)
#error "auth_sigra needs an nginx that was configured --with-threads"
#endif

// The module would compile and load without it. But then connections never
// count as TLS: cookies would be sent without Secure, and early data would
// pass.
#if !(NGX_HTTP_SSL)
#error "auth_sigra needs an nginx that was configured --with-http_ssl_module"
#endif

#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

extern "C" ngx_module_t ngx_http_auth_sigra_module;

namespace sigra::nginx {

inline std::string_view view(const ngx_str_t& s) {
    return {reinterpret_cast<const char*>(s.data), s.len};
}

template <std::size_t size>
std::string_view view(const std::array<char, size>& bytes) {
    return {bytes.data(), size};
}

// For nginx to read, not to write; valid for as long as what `s` views.
inline ngx_str_t as_ngx_str(std::string_view s) {
    return {s.size(),
            const_cast<u_char*>(reinterpret_cast<const u_char*>(s.data()))};
}

// A const char* would lose its length on the way.
ngx_str_t as_ngx_str(const char*) = delete;

// Since nginx 1.23 headers of one name are linked. nginx sets the link only of
// headers that headers_in has a pointer for: it must not be read from others.
inline void set_next([[maybe_unused]] ngx_table_elt_t& header,
                     [[maybe_unused]] ngx_table_elt_t* next) {
#if (nginx_version >= 1023000)
    header.next = next;
#endif
}

// A copy that lives as long as the pool, with a NUL after it. Data is null when
// memory is out.
inline ngx_str_t copy(ngx_pool_t* pool, std::string_view s) {
    ngx_str_t out{};
    out.data = static_cast<u_char*>(ngx_pnalloc(pool, s.size() + 1));
    if (out.data != nullptr) {
        std::memcpy(out.data, s.data(), s.size());
        out.data[s.size()] = '\0';
        out.len = s.size();
    }
    return out;
}

// A C++ object whose destructor the pool runs. Null when memory is out.
template <class T, class... Args>
T* pool_make(ngx_pool_t* pool, Args&&... args) {
    ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(T));
    if (cleanup == nullptr) {
        return nullptr;
    }
    static_assert(alignof(T) <= NGX_ALIGNMENT);
    T* object = new (cleanup->data) T(std::forward<Args>(args)...);
    cleanup->handler = [](void* data) { static_cast<T*>(data)->~T(); };
    return object;
}

// The exception boundary: a function that nginx or libpq calls runs its body in
// here, because an exception that reaches C kills the worker.
template <class R, class Body>
R guarded(ngx_log_t* log, R on_error, Body&& body) noexcept {
    try {
        return body();
    } catch (const std::exception& e) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "auth_sigra: %s", e.what());
    } catch (...) {
        ngx_log_error(NGX_LOG_ERR, log, 0, "auth_sigra: unknown exception");
    }
    return on_error;
}

template <class Body>
void guarded(ngx_log_t* log, Body&& body) noexcept {
    guarded(log, 0, [&] {
        body();
        return 0;
    });
}

}  // namespace sigra::nginx
