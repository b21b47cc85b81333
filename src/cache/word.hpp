// A word that one process reads while another writes it. It is atomic, but not
// ordered with other words; the zone's version provides the order.
#pragma once

#include <atomic>

namespace sigra::cache {

template <class T>
class Word {
  public:
    static_assert(std::atomic<T>::is_always_lock_free);
    static_assert(sizeof(std::atomic<T>) == sizeof(T));

    Word() = default;
    Word(const Word&) = delete;
    Word& operator=(const Word&) = delete;

    // NOLINTNEXTLINE(google-explicit-constructor): used like a plain T
    operator T() const { return value_.load(std::memory_order_relaxed); }
    Word& operator=(T value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }

  private:
    std::atomic<T> value_{};
};

}  // namespace sigra::cache
