// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/shared_memory.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

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

Result<std::byte*> map_whole(const Fd& fd, std::size_t size, int protection) {
    void* const data = ::mmap(nullptr, size, protection, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return errno_error("mmap of shared memory", errno);
    return static_cast<std::byte*>(data);
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

SharedMemory::~SharedMemory() {
    if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace hwvault::os
