// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/secret.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
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

void* map_ordinary_pages(std::size_t size) {
    void* pages = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    ::madvise(pages, size, MADV_DONTDUMP);
    weaken_to(::mlock(pages, size) == 0 ? MemoryLock::kLocked : MemoryLock::kUnlocked);
    return pages;
}

// The upstream of the pool: whole pages from the kernel. A child inherits none of them: it sees no secret of its
// parent's, and the two never share a heap (the pages of memfd_secret are shared mappings).
class PageResource final : public std::pmr::memory_resource {
public:
    void lock() { mutex_.lock(); }
    void unlock() { mutex_.unlock(); }
    // In a child: keeps the addresses of what was not inherited taken, so that no block of the child's lies where one
    // of the parent's did.
    void keep_addresses() {
        for (const auto& [begin, size] : mapped_) {
            constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
            if (::mmap(begin, size, PROT_NONE, kFlags, -1, 0) == MAP_FAILED) std::abort();  // no child, then
        }
    }
    bool has(const void* block) {
        const std::lock_guard lock(mutex_);
        const auto after = mapped_.upper_bound(const_cast<void*>(block));
        if (after == mapped_.begin()) return false;
        const auto& [begin, size] = *std::prev(after);
        return std::less<>()(block, static_cast<const std::uint8_t*>(begin) + size);
    }

private:
    void* do_allocate(std::size_t bytes, std::size_t) override {
        const std::size_t size = whole_pages(bytes);
        const std::lock_guard lock(mutex_);  // so that no fork comes between the mapping and what is said of it
        void* pages = map_secret_pages(size);
        if (pages == MAP_FAILED) pages = map_ordinary_pages(size);
        ::madvise(pages, size, MADV_DONTFORK);
        mapped_.emplace(pages, size);
        return pages;
    }
    void do_deallocate(void* pages, std::size_t bytes, std::size_t) override {
        const std::lock_guard lock(mutex_);
        mapped_.erase(pages);
        ::munmap(pages, whole_pages(bytes));
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

    std::mutex mutex_;
    std::map<void*, std::size_t, std::less<>> mapped_;
};

// The pool of one process.
struct Pool {
    PageResource pages{};
    std::pmr::synchronized_pool_resource blocks{&pages};
};

// Wipes each block before the pool takes it back. A child that is forked gets an empty pool of its own; what it
// inherited of its parent's is not there any more, and giving such a block back does nothing.
class WipingPool final : public std::pmr::memory_resource {
public:
    // Around fork().
    void before() { pool_->pages.lock(); }
    void in_parent() { pool_->pages.unlock(); }
    void in_child() {
        pool_->pages.keep_addresses();
        pool_ = new Pool;  // the parent's stays as it was: a thread may have been inside it
        forked_ = true;
    }

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        return pool_->blocks.allocate(whole(bytes, alignment), alignment);
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
        if (forked_ && !pool_->pages.has(block)) return;
        wipe(block, bytes);
        pool_->blocks.deallocate(block, whole(bytes, alignment), alignment);
    }
    // The pool of gcc before 15 aligns a block to no more than its size is a multiple of (gcc bug 118681).
    static std::size_t whole(std::size_t bytes, std::size_t alignment) {
        return (bytes + alignment - 1) / alignment * alignment;
    }
    bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

    Pool* pool_{new Pool};  // never destroyed, see locked_memory()
    bool forked_{false};
};

WipingPool& pool() {
    // Never destroyed: secrets in other static objects may outlive any order of destruction.
    static auto* const one = [] {
        auto* const made = new WipingPool;
        ::pthread_atfork([] { pool().before(); }, [] { pool().in_parent(); }, [] { pool().in_child(); });
        return made;
    }();
    return *one;
}

}  // namespace

std::pmr::memory_resource& locked_memory() {
    return pool();
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
    std::uint64_t difference = 0;
    for (std::size_t at = 0; at < left.size();) {
        const std::size_t size = std::min(left.size() - at, sizeof difference);
        std::uint64_t left_word = 0;
        std::uint64_t right_word = 0;
        std::memcpy(&left_word, left.data() + at, size);
        std::memcpy(&right_word, right.data() + at, size);
        difference |= left_word ^ right_word;
        asm volatile("" : "+r"(difference));  // keeps the compiler from leaving the loop when it could
        at += size;
    }
    return difference == 0;
}

}  // namespace hwvault
