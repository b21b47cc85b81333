#include "cache/pages.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace sigra::cache {

// Maps a huge page more than needed, and unmaps the rest at both ends, so that
// the memory is aligned to a huge page.
Pages::Pages(std::size_t size)
    : size_((size + huge_page - 1) / huge_page * huge_page) {
    const std::size_t taken = size_ + huge_page;
    void* all = mmap(nullptr, taken, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) {
        throw std::bad_alloc();
    }
    auto* start = static_cast<char*>(all);
    const std::size_t past = reinterpret_cast<std::uintptr_t>(all) % huge_page;
    const std::size_t before = past == 0 ? 0 : huge_page - past;
    if (before != 0) {
        (void)munmap(start, before);
    }
    if (before != huge_page) {
        (void)munmap(start + before + size_, huge_page - before);
    }
    memory_ = start + before;
    (void)madvise(memory_, size_, MADV_NOHUGEPAGE);
}

Pages::~Pages() {
    (void)munmap(memory_, size_);
}

void Pages::want_huge(std::size_t up_to) {
    (void)madvise(memory_, std::min(up_to, size_), MADV_HUGEPAGE);
}

}  // namespace sigra::cache
