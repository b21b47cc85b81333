// What a zone needs in these tests: memory that processes share, a lock that is
// released when its holder dies, as nginx's master does, and a clock that the
// test sets.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "cache/zone.hpp"
#include "unit.hpp"

namespace sigra::unit {

class SharedMemory {
  public:
    explicit SharedMemory(std::size_t size) : size_(size) {
        memory_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory_ == MAP_FAILED) {
            std::abort();
        }
    }
    ~SharedMemory() { munmap(memory_, size_); }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    [[nodiscard]] void* get() const { return memory_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    template <class T>
    [[nodiscard]] T* as() const {
        return static_cast<T*>(memory_);
    }

  private:
    std::size_t size_;
    void* memory_;
};

class SharedLock final : public cache::Lock {
  public:
    SharedLock() : memory_(sizeof(pthread_mutex_t)) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(memory_.as<pthread_mutex_t>(), &attributes);
        pthread_mutexattr_destroy(&attributes);
    }
    void lock() noexcept override {
        auto* mutex = memory_.as<pthread_mutex_t>();
        const int rc = pthread_mutex_lock(mutex);
        if (rc == EOWNERDEAD) {
            pthread_mutex_consistent(mutex);
        } else if (rc != 0) {
            std::abort();
        }
    }
    void unlock() noexcept override {
        pthread_mutex_unlock(memory_.as<pthread_mutex_t>());
    }

  private:
    SharedMemory memory_;
};

// The memory, lock and clock that several zones share.
struct Shared {
    explicit Shared(std::size_t size = std::size_t{256} * 1024)
        : memory(size), time(sizeof(std::uintptr_t)) {
        now() = 1'000'000;
        cache::Zone(lock, clock()).create(memory.get(), memory.size());
    }
    [[nodiscard]] volatile std::uintptr_t& now() const {
        return *time.as<volatile std::uintptr_t>();
    }
    [[nodiscard]] cache::Clock clock() const { return &now(); }

    SharedMemory memory;
    SharedMemory time;
    SharedLock lock;
};

// One process's view of it.
class View : public cache::Zone {
  public:
    explicit View(Shared& shared) : Zone(shared.lock, shared.clock()) {
        attach(shared.memory.get());
    }
};

inline cache::TokenHash hash_of(unsigned number) {
    cache::TokenHash hash{};
    // Uniformly distributed, as a SHA-256 is; it contains the number.
    std::uint64_t mixed = number;
    for (std::size_t at = 0; at < hash.size(); at += 8) {
        mixed = (mixed + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9;
        mixed ^= mixed >> 29;
        for (std::size_t i = 0; i < 8; i++) {
            hash[at + i] = static_cast<char>(mixed >> (8 * i));
        }
    }
    return hash;
}

inline std::string_view view(const cache::TokenHash& hash) {
    return {hash.data(), hash.size()};
}

inline constexpr std::uint64_t source = 7;

// Settles an answer as a worker whose channel is up.
inline bool settle(cache::Zone& zone, const cache::TokenHash& hash,
                   std::uint64_t sent, std::int64_t now,
                   const cache::Session* session,
                   std::uint64_t fingerprint = source) {
    return zone.settle({hash, fingerprint, sent, now, session, true, true});
}

inline bool finds(cache::Zone& zone, const cache::TokenHash& hash,
                  std::uint64_t fingerprint = source) {
    cache::ZoneEntry entry;
    std::uint32_t place = cache::no_cell;
    const bool found = zone.find(hash, fingerprint, place, entry);
    // With its place known, the result must be the same.
    cache::ZoneEntry again;
    if (zone.find(hash, fingerprint, place, again) != found) {
        fail_at(Place::here(), "found once, and not again");
    }
    return found && !entry.has(cache::ZoneEntry::dead);
}

}  // namespace sigra::unit
