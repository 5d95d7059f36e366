// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/secret.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace hwvault {
namespace {

std::atomic<MemoryLock> weakest_lock{MemoryLock::kSecret};

void weaken_to(MemoryLock lock) {
    MemoryLock seen = weakest_lock.load();
    while (seen < lock && !weakest_lock.compare_exchange_weak(seen, lock)) {
    }
}

std::size_t whole_pages(std::size_t bytes) {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

void* map_secret_pages(std::size_t size) {
    const int fd = static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC));
    if (fd < 0) return MAP_FAILED;
    void* pages = MAP_FAILED;
    if (::ftruncate(fd, static_cast<off_t>(size)) == 0) {
        pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    ::close(fd);
    return pages;
}

// A child must not inherit a parent's secrets, so that a fork without exec shows zeros.
void* map_ordinary_pages(std::size_t size) {
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    ::madvise(pages, size, MADV_DONTDUMP);
    ::madvise(pages, size, MADV_WIPEONFORK);
    weaken_to(::mlock(pages, size) == 0 ? MemoryLock::kLocked : MemoryLock::kUnlocked);
    return pages;
}

// The upstream of the pool: whole pages from the kernel.
class PageResource final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t) override {
        const std::size_t size = whole_pages(bytes);
        void* pages = map_secret_pages(size);
        return pages != MAP_FAILED ? pages : map_ordinary_pages(size);
    }
    void do_deallocate(void* pages, std::size_t bytes, std::size_t) override {
        ::munmap(pages, whole_pages(bytes));
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
};

// Wipes each block before the pool takes it back.
class WipingPool final : public std::pmr::memory_resource {
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        return pool_.allocate(whole(bytes, alignment), alignment);
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
        wipe(block, bytes);
        pool_.deallocate(block, whole(bytes, alignment), alignment);
    }
    // The pool of gcc before 15 aligns a block to no more than its size is a multiple of (gcc bug 118681).
    static std::size_t whole(std::size_t bytes, std::size_t alignment) {
        return (bytes + alignment - 1) / alignment * alignment;
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

    PageResource pages_;
    std::pmr::synchronized_pool_resource pool_{&pages_};
};

}  // namespace

std::pmr::memory_resource& locked_memory() {
    // Never destroyed: secrets in other static objects may outlive any order of destruction.
    static auto* const pool = ::new WipingPool;
    return *pool;
}

MemoryLock memory_lock() {
    return weakest_lock.load();
}

std::string_view word(MemoryLock lock) {
    switch (lock) {
        case MemoryLock::kSecret: return "memfd_secret";
        case MemoryLock::kLocked: return "mlock";
        case MemoryLock::kUnlocked: return "unlocked";
    }
    return "unlocked";
}

void wipe(void* data, std::size_t size) {
    ::explicit_bzero(data, size);
}

SecretBytes::SecretBytes(std::size_t size) : size_(size), capacity_(size) {
    if (size == 0) return;
    data_ = static_cast<std::uint8_t*>(locked_memory().allocate(size));
    std::memset(data_, 0, size);
}

SecretBytes SecretBytes::copy_of(BytesView bytes) {
    SecretBytes copy(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.data_);
    return copy;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
}

SecretBytes::~SecretBytes() {
    if (data_ != nullptr) locked_memory().deallocate(data_, capacity_);
}

void SecretBytes::shorten(std::size_t size) {
    if (size >= size_) return;
    wipe(data_ + size, size_ - size);
    size_ = size;
}

bool equal_in_constant_time(BytesView left, BytesView right) {
    if (left.size() != right.size()) return false;
    volatile std::uint8_t difference = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
        difference = static_cast<std::uint8_t>(difference | (left[i] ^ right[i]));
    }
    return difference == 0;
}

}  // namespace hwvault
