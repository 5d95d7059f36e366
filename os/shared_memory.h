// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Memory that this process shares with others through a descriptor: a memfd (memfd_create(2)), mapped here.
//
// Its size never changes, and that is sealed, so that nobody who maps it can be made to fault. Where others may only read,
// that is sealed too, and the descriptor for them is one opened read-only, of a file with mode 0400: a read-only descriptor
// alone could be opened anew for writing through /proc/PID/fd. Move-only; unmapped at the end.
#pragma once

#include <cstddef>
#include <utility>

#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::os {

class SharedMemory {
public:
    enum class Others { kRead, kWrite };

    // `size` bytes of zeros, which this process writes. They take no memory before they are touched. kInternal when the kernel
    // gives none.
    static Result<SharedMemory> make(const char* name, std::size_t size, Others others);
    // What make() gave another process, as its others may use it. kInvalidArgument unless it is sealed so.
    static Result<SharedMemory> map(Fd descriptor, Others others);

    // Puts what lies from `begin` to `end` behind such a descriptor into large pages, as far as it fills them and the kernel has
    // some, so that who maps it needs fewer look-ups of addresses. It takes a millisecond for each 2 MiB, and all of it takes
    // memory from then on. Nothing else comes of it, and nothing at all before Linux 6.1 (MADV_COLLAPSE of madvise(2)).
    static void gather(const Fd& descriptor, std::size_t begin, std::size_t end);

    SharedMemory(SharedMemory&& other) noexcept
        : descriptor_(std::move(other.descriptor_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
    SharedMemory& operator=(SharedMemory&&) = delete;
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;
    ~SharedMemory();

    // Writable by who made it, and by others under kWrite.
    [[nodiscard]] std::byte* data() const { return data_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    // For others.
    [[nodiscard]] const Fd& descriptor() const { return descriptor_; }

private:
    SharedMemory(Fd descriptor, std::byte* data, std::size_t size)
        : descriptor_(std::move(descriptor)), data_(data), size_(size) {}

    Fd descriptor_;
    std::byte* data_;
    std::size_t size_;
};

}  // namespace hwvault::os
