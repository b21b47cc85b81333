// Private memory of the process, zeroed. The system allocates its pages when
// they are first written to.
#pragma once

#include <cstddef>

namespace sigra::cache {

class Pages {
  public:
    static constexpr std::size_t huge_page = std::size_t{2} * 1024 * 1024;

    // `size` is in bytes, and rounded up to whole huge pages. The memory is
    // aligned to a huge page. Throws bad_alloc.
    explicit Pages(std::size_t size);
    ~Pages();
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;

    template <class T>
    [[nodiscard]] T* as() const {
        return static_cast<T*>(memory_);
    }

    // Allows huge pages for the first `up_to` bytes. Before that, only small
    // pages are used, because one byte would cost 2 MB. If the system gives no
    // huge pages, small ones are used.
    void want_huge(std::size_t up_to);

  private:
    std::size_t size_;
    void* memory_;
};

}  // namespace sigra::cache
