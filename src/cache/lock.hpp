// The lock and the clock that a zone is given by the owner of its memory.
#pragma once

#include <cstdint>

namespace sigra::cache {

// Shared by all processes that use the memory. Its owner must release it if a
// process dies while it holds the lock.
class Lock {
  public:
    virtual void lock() noexcept = 0;
    virtual void unlock() noexcept = 0;

    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

  protected:
    Lock() = default;
    ~Lock() = default;
};

// Monotonic time in milliseconds, the same for all processes, as the owner last
// updated it. Reading it needs no system call.
using Clock = const volatile std::uintptr_t*;

}  // namespace sigra::cache
