// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Replaces the global operator new of a whole test program by one that counts, for each thread. For one file of a program.
#pragma once

#include <cstdlib>
#include <new>

namespace hwvault::tests {

inline thread_local std::size_t allocations = 0;  // of this thread, since it began

inline void* counted(std::size_t size) {
    ++allocations;
    return std::malloc(size);
}

}  // namespace hwvault::tests

void* operator new(std::size_t size) {
    if (void* block = hwvault::tests::counted(size)) return block;
    throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
    if (void* block = hwvault::tests::counted(size)) return block;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return hwvault::tests::counted(size);
}
void operator delete(void* block) noexcept {
    std::free(block);
}
void operator delete[](void* block) noexcept {
    std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    std::free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    std::free(block);
}
