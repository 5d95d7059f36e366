// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/memfd.h"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>

namespace hwvault::os {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kNoChange = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

Error too_large(std::size_t cap) {
    return invalid_argument("The descriptor holds more than the " + std::to_string(cap) + " bytes that are accepted.");
}

Result<SecretBytes> read_sealed(const Fd& fd, std::size_t cap) {
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno_error("fstat of the descriptor", errno, ErrorCode::kInvalidArgument);
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > cap) return too_large(cap);
    SecretBytes content(size);
    for (std::size_t filled = 0; filled < size;) {
        const ssize_t got = ::pread(fd.get(), content.reveal_to_fill().data() + filled, size - filled,
                                    static_cast<off_t>(filled));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return errno_error("reading the descriptor", got < 0 ? errno : EIO, ErrorCode::kInvalidArgument);
        filled += static_cast<std::size_t>(got);
    }
    return content;
}

// The descriptor's status flags are shared with its sender, so it is not made non-blocking: poll first, and read
// only what is there.
Result<SecretBytes> read_to_end(const Fd& fd, std::size_t cap, steady_clock::time_point deadline) {
    SecretBytes content(cap + 1);
    std::size_t filled = 0;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
        pollfd wanted{fd.get(), POLLIN, 0};
        const int ready = left.count() > 0 ? ::poll(&wanted, 1, static_cast<int>(left.count())) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return invalid_argument("The descriptor did not end in time; send a sealed memfd.");
        const ssize_t got = ::read(fd.get(), content.reveal_to_fill().data() + filled, cap + 1 - filled);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return errno_error("reading the descriptor", errno, ErrorCode::kInvalidArgument);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
        if (filled > cap) return too_large(cap);
    }
    content.shorten(filled);
    return content;
}

}  // namespace

Result<Fd> sealed_memfd(BytesView bytes) {
    Fd fd{::memfd_create("hwvault-secret", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!fd) return errno_error("memfd_create", errno);
    for (std::size_t written = 0; written < bytes.size();) {
        const ssize_t put = ::pwrite(fd.get(), bytes.data() + written, bytes.size() - written,
                                     static_cast<off_t>(written));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return errno_error("writing a memfd", put < 0 ? errno : EIO);
        written += static_cast<std::size_t>(put);
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, kNoChange | F_SEAL_SEAL) != 0) return errno_error("sealing a memfd", errno);
    return fd;
}

bool is_sealed_memfd(const Fd& fd) {
    const int seals = ::fcntl(fd.get(), F_GET_SEALS);
    return seals >= 0 && (seals & kNoChange) == kNoChange;
}

Result<SecretBytes> read_descriptor(const Fd& fd, std::size_t cap, milliseconds deadline) {
    if (is_sealed_memfd(fd)) return read_sealed(fd, cap);
    return read_to_end(fd, cap, steady_clock::now() + deadline);
}

}  // namespace hwvault::os
