// What a zone is given by whoever owns its memory.
#pragma once

#include <cstdint>

namespace sigra::cache {

// Shared by all processes that use the memory. A process that dies with it
// lets go of it: its owner sees to that.
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

// Milliseconds of the monotonic clock, the same for all processes, as its
// owner last wrote them: no call on a request's way.
using Clock = const volatile std::uintptr_t*;

}  // namespace sigra::cache
