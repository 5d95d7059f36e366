// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/shared_memory.h"

#include <cerrno>
#include <cstdint>
#include <string>

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace hwvault::os {
namespace {

constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL, Linux 6.3

constexpr int kFixedSize = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

// What a sealed memfd has for these others.
int seals_for(SharedMemory::Others others) {
    return others == SharedMemory::Others::kRead ? kFixedSize | F_SEAL_FUTURE_WRITE : kFixedSize;
}

Fd new_memfd(const char* name) {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Fd fd{::memfd_create(name, kFlags | kNoExecSeal)};
    if (!fd && errno == EINVAL) return Fd{::memfd_create(name, kFlags)};
    return fd;
}

constexpr std::size_t kLargePage = 2 * 1'024 * 1'024;
constexpr int kCollapse = 25;  // MADV_COLLAPSE

constexpr std::size_t rounded_up(std::size_t size, std::size_t unit) {
    return (size + unit - 1) / unit * unit;
}

void unmap(std::byte* begin, std::byte* end) {
    if (begin < end) ::munmap(begin, static_cast<std::size_t>(end - begin));
}

// At a multiple of a large page, since only there can one be: kernels place only what they know will have some.
Result<std::byte*> map_whole(const Fd& fd, std::size_t size, int protection) {
    const std::size_t room = rounded_up(size, kLargePage) + kLargePage;
    void* const reserved = ::mmap(nullptr, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return errno_error("mmap of shared memory", errno);
    std::byte* const begin = static_cast<std::byte*>(reserved);
    std::byte* const start = begin + (kLargePage - reinterpret_cast<std::uintptr_t>(begin) % kLargePage) % kLargePage;
    const void* const data = ::mmap(start, size, protection, MAP_SHARED | MAP_FIXED, fd.get(), 0);
    const int failure = errno;
    unmap(begin, data == MAP_FAILED ? begin + room : start);
    if (data == MAP_FAILED) return errno_error("mmap of shared memory", failure);
    unmap(start + rounded_up(size, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))), begin + room);
    return start;
}

}  // namespace

Result<SharedMemory> SharedMemory::make(const char* name, std::size_t size, Others others) {
    Fd fd = new_memfd(name);
    if (!fd) return errno_error("memfd_create", errno);
    if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return errno_error("ftruncate of a memfd", errno);
    if (::fchmod(fd.get(), others == Others::kRead ? 0400 : 0600) != 0) return errno_error("fchmod of a memfd", errno);
    // The one mapping that may be written: what is sealed next counts for later ones.
    HWVAULT_TRY(std::byte* const data, map_whole(fd, size, PROT_READ | PROT_WRITE));
    SharedMemory made(std::move(fd), data, size);
    if (::fcntl(made.descriptor_.get(), F_ADD_SEALS, seals_for(others)) != 0) return errno_error("sealing a memfd", errno);
    if (others == Others::kRead) {
        const std::string path = "/proc/self/fd/" + std::to_string(made.descriptor_.get());
        Fd read_only{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        if (!read_only) return errno_error("open " + path, errno);
        made.descriptor_ = std::move(read_only);
    }
    return made;
}

Result<SharedMemory> SharedMemory::map(Fd descriptor, Others others) {
    struct stat status {};
    const int wanted = seals_for(others);
    const int seals = ::fcntl(descriptor.get(), F_GET_SEALS);
    if (seals < 0 || (seals & wanted) != wanted || ::fstat(descriptor.get(), &status) != 0 || status.st_size <= 0) {
        return invalid_argument("What came as shared memory is not sealed as it should be.");
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    HWVAULT_TRY(std::byte* const data, map_whole(descriptor, size, others == Others::kRead ? PROT_READ : PROT_READ | PROT_WRITE));
    return SharedMemory(std::move(descriptor), data, size);
}

// In a mapping of its own, so that it needs nobody's leave and may be done on any thread.
void SharedMemory::gather(const Fd& descriptor, std::size_t begin, std::size_t end) {
    begin = rounded_up(begin, kLargePage);
    end = end / kLargePage * kLargePage;
    if (begin >= end) return;
    const auto data = map_whole(descriptor, end, PROT_READ);
    if (!data) return;
    ::madvise(*data + begin, end - begin, kCollapse);
    ::munmap(*data, end);
}

SharedMemory::~SharedMemory() {
    if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace hwvault::os
