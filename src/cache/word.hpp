// What one process reads while another writes it: whole words, in no order
// with others. The order is the zone's version's.
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

    // NOLINTNEXTLINE(google-explicit-constructor): it is read as what it holds
    operator T() const { return value_.load(std::memory_order_relaxed); }
    Word& operator=(T value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }

  private:
    std::atomic<T> value_{};
};

}  // namespace sigra::cache
