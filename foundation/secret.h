// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Secret bytes: move-only, kept in locked memory that no core file and no swap sees, wiped when they go.
//
// A secret has no stream operator and no implicit conversion; `reveal()` is the one way to its bytes, so that
// `grep -rn 'reveal'` lists every place that touches one. Memory comes from `locked_memory()`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

#include "foundation/bytes.h"

namespace hwvault {

// How the pages under `locked_memory()` are kept from other eyes, the weakest of what was obtained so far.
enum class MemoryLock : std::uint8_t {
    kSecret,    // memfd_secret(2): not even the kernel's direct map shows them (Linux 5.14, `secretmem`)
    kLocked,    // mlock(2) and MADV_DONTDUMP: never swapped, never in a core file
    kUnlocked,  // RLIMIT_MEMLOCK was exhausted: MADV_DONTDUMP only
};

// A process-wide pool of locked pages; blocks are wiped when they are given back. Thread-safe; throws
// std::bad_alloc when the machine has no memory at all. Lives until the process ends. A child that is forked has an
// empty one: secrets of before the fork may be destroyed there, but not read.
std::pmr::memory_resource& locked_memory();
MemoryLock memory_lock();
std::string_view word(MemoryLock lock);  // "memfd_secret", "mlock", "unlocked"

// Overwrites `size` bytes in a way that the compiler does not drop.
void wipe(void* data, std::size_t size);

// Owns its bytes. Not thread-safe, as a vector is not.
class SecretBytes {
public:
    SecretBytes() = default;
    explicit SecretBytes(std::size_t size);  // zeroed
    static SecretBytes copy_of(BytesView bytes);

    SecretBytes(SecretBytes&& other) noexcept;
    SecretBytes& operator=(SecretBytes&& other) noexcept;
    SecretBytes(const SecretBytes&) = delete;
    SecretBytes& operator=(const SecretBytes&) = delete;
    ~SecretBytes();

    [[nodiscard]] BytesView reveal() const { return {data_, size_}; }
    [[nodiscard]] std::span<std::uint8_t> reveal_to_fill() { return {data_, size_}; }

    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    void shorten(std::size_t size);  // wipes the rest; a larger size changes nothing

private:
    std::uint8_t* data_{nullptr};
    std::size_t size_{0};
    std::size_t capacity_{0};
};

// True when both have the same bytes; the time taken depends on the sizes alone.
bool equal_in_constant_time(BytesView left, BytesView right);

}  // namespace hwvault
