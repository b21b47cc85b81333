// Makes an allocation fail inside callbacks, at a place that the test chooses.
// It replaces operator new, so include it in one file of a program only.
#pragma once

#include <cstdlib>
#include <new>

#include "poll_reactor.hpp"

namespace {

long fails_after = -1;  // allocations until one fails; negative: never

bool fails() {
    return sigra::test::in_callback && fails_after >= 0 && fails_after-- == 0;
}

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t size) {
    void* memory = fails() ? nullptr : std::malloc(size);
    if (!memory) {
        throw std::bad_alloc();
    }
    return memory;
}
[[gnu::noinline]] void* operator new(std::size_t size,
                                     const std::nothrow_t&) noexcept {
    return fails() ? nullptr : std::malloc(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
