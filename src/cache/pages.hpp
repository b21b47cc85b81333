// Memory that is the process's own, zero, and not there before it is touched.
#pragma once

#include <cstddef>

namespace sigra::cache {

class Pages {
  public:
    static constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;

    // At an address that huge pages need. Throws bad_alloc.
    explicit Pages(std::size_t size);
    ~Pages();
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    template <class T>
    [[nodiscard]] T* as() const {
        return static_cast<T*>(memory_);
    }

    // Until then there are small ones alone: one byte would be 2 MB. Where the
    // system has no huge ones, or does not let us, small ones do.
    void want_huge(std::size_t up_to);

  private:
    std::size_t size_;
    void* memory_;
};

}  // namespace sigra::cache
