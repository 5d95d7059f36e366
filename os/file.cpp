// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/file.h"

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/fd.h"

namespace hwvault::os {
namespace {

using std::filesystem::path;

Result<Fd> open_file(const path& file, int flags, unsigned mode = 0) {
    Fd fd{::open(file.c_str(), flags | O_CLOEXEC, mode)};
    if (!fd) {
        return errno_error("open " + file.string(), errno, errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInternal);
    }
    return fd;
}

// Reads up to `target.size()` bytes; gives how many there were.
Result<std::size_t> read_into(const Fd& fd, std::span<std::uint8_t> target, const path& file) {
    std::size_t filled = 0;
    while (filled < target.size()) {
        const ssize_t got = ::read(fd.get(), target.data() + filled, target.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read " + file.string(), errno);
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    return filled;
}

Error too_large(const path& file, std::size_t cap) {
    return {ErrorCode::kInvalidArgument,
            file.string() + " is larger than the " + std::to_string(cap) + " bytes that are accepted."};
}

// `check` says whether a file of this kind, owner and mode may hold the secret.
template <class Check>
Result<SecretBytes> read_secret(const path& file, std::size_t cap, const Check& check) {
    HWVAULT_TRY(const Fd fd, open_regular_file(file));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno_error("fstat " + file.string(), errno);
    HWVAULT_CHECK(check(status));
    SecretBytes content(cap + 1);
    HWVAULT_TRY(const std::size_t size, read_into(fd, content.reveal_to_fill(), file));
    if (size > cap) return too_large(file, cap);
    content.shorten(size);
    return content;
}

Result<void> write_and_sync(const Fd& fd, BytesView content, const path& file) {
    HWVAULT_CHECK(write_all(fd, content, file));
    if (::fsync(fd.get()) != 0) return errno_error("fsync " + file.string(), errno);
    return {};
}

Result<void> rename_durably(const path& from, const path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename to " + to.string(), errno);
    return sync_folder(to.parent_path());
}

}  // namespace

Result<Bytes> read_file(const path& file, std::size_t cap) {
    HWVAULT_TRY(const Fd fd, open_file(file, O_RDONLY));
    Bytes content(cap + 1);
    HWVAULT_TRY(const std::size_t size, read_into(fd, content, file));
    if (size > cap) return too_large(file, cap);
    content.resize(size);
    return content;
}

Result<SecretBytes> read_secret_file(const path& file, std::size_t cap) {
    return read_secret(file, cap, [&](const struct stat& status) -> Result<void> {
        if ((status.st_mode & 077) == 0 && (status.st_uid == 0 || status.st_uid == ::geteuid())) return {};
        return Error{ErrorCode::kInvalidArgument, file.string() +
                                                      " holds a secret that others can read. Run `chmod 0600` on it and"
                                                      " give it to the user that hwvault-hardware runs as."};
    });
}

Result<SecretBytes> read_credential(const path& file, std::size_t cap) {
    return read_secret(file, cap, [](const struct stat&) -> Result<void> { return {}; });
}

Result<Fd> open_regular_file(const path& file) {
    std::error_code ignored;
    if (std::filesystem::is_symlink(file, ignored)) {  // in words; that none is followed is open(2)'s business
        return Error{ErrorCode::kInvalidArgument, file.string() + " is a symbolic link, which is not followed. Name the file itself."};
    }
    HWVAULT_TRY(Fd fd, open_file(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return errno_error("fstat " + file.string(), errno);
    if (!S_ISREG(status.st_mode)) return Error{ErrorCode::kInvalidArgument, file.string() + " is not a regular file."};
    return fd;
}

Result<void> copy_to_new_file(const Fd& from, const path& file, unsigned mode) {
    constexpr std::size_t kPart = 64 << 10;
    HWVAULT_TRY(const Fd to, open_file(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    for (Bytes chunk(kPart);;) {
        HWVAULT_TRY(const std::size_t size, read_into(from, chunk, file));
        HWVAULT_CHECK(write_all(to, BytesView(chunk).first(size), file));
        if (size < chunk.size()) return {};
    }
}

Result<void> write_file_durably(const path& file, BytesView content, unsigned mode) {
    path beside = file;
    beside += ".new";
    {
        // What a crash or somebody else left there has a mode, and perhaps a reader, of its own.
        ::unlink(beside.c_str());
        HWVAULT_TRY(const Fd fd, open_file(beside, O_WRONLY | O_CREAT | O_EXCL, mode));
        HWVAULT_CHECK(write_and_sync(fd, content, beside));
    }
    return rename_durably(beside, file);
}

Result<void> write_all(const Fd& fd, BytesView content, const path& file) {
    for (std::size_t written = 0; written < content.size();) {
        const ssize_t put = ::write(fd.get(), content.data() + written, content.size() - written);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno_error("write " + file.string(), errno);
        written += static_cast<std::size_t>(put);
    }
    return {};
}

// Not truncated: what was reserved before needs no space again.
Result<void> reserve_file(const path& reserve, std::size_t size, unsigned mode) {
    HWVAULT_TRY(const Fd fd, open_file(reserve, O_WRONLY | O_CREAT | O_NOFOLLOW, mode));
    return write_and_sync(fd, Bytes(size), reserve);
}

Result<void> allocate_file(const path& file, std::size_t size, unsigned mode) {
    HWVAULT_TRY(const Fd fd, open_file(file, O_WRONLY | O_CREAT | O_NOFOLLOW, mode));
    const int failure = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
    if (failure == ENOSPC) return errno_error("allocate " + file.string(), failure, ErrorCode::kQuotaExceeded);
    if (failure != 0) return errno_error("allocate " + file.string(), failure);
    return {};
}

Result<void> use_reserve(const path& reserve, const path& file, BytesView content) {
    {
        HWVAULT_TRY(const Fd fd, open_file(reserve, O_WRONLY | O_NOFOLLOW));
        HWVAULT_CHECK(write_and_sync(fd, content, reserve));
        if (::ftruncate(fd.get(), static_cast<off_t>(content.size())) != 0 || ::fsync(fd.get()) != 0) {
            return errno_error("ftruncate " + reserve.string(), errno);
        }
    }
    return rename_durably(reserve, file);
}

Result<void> sync_folder(const path& folder) {
    HWVAULT_TRY(const Fd fd, open_file(folder.empty() ? path(".") : folder, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return errno_error("fsync of the folder " + folder.string(), errno);
    return {};
}

bool wait_until_unlocked(const path& file, std::chrono::milliseconds patience) {
    constexpr auto kPause = std::chrono::milliseconds(10);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const auto fd = open_file(file, O_RDONLY);
    if (!fd) return fd.error().code == ErrorCode::kNotFound;
    for (;;) {
        struct flock held {};  // the whole file
        held.l_type = F_WRLCK;
        held.l_whence = SEEK_SET;
        if (::fcntl(fd->get(), F_GETLK, &held) == 0 && held.l_type == F_UNLCK) return true;
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(kPause);
    }
}

Result<Fd> lock_folder(const path& folder) {
    HWVAULT_TRY(Fd fd, open_file(folder, O_RDONLY | O_DIRECTORY));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) return errno_error("flock " + folder.string(), errno);
    return Error{ErrorCode::kBusy, "Another program works in " + folder.string() + ". Stop it first."};
}

Result<void> make_folder(const path& folder, unsigned mode) {
    std::error_code failure;
    if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), failure);
    if (::mkdir(folder.c_str(), mode) == 0) {
        // Exactly this mode, whatever the umask takes away.
        if (::chmod(folder.c_str(), mode) != 0) return errno_error("chmod " + folder.string(), errno);
    } else if (errno != EEXIST) {
        return errno_error("mkdir " + folder.string(), errno);
    }
    if (!std::filesystem::is_directory(folder, failure)) {
        return Error{ErrorCode::kInvalidArgument, folder.string() + " is in the way: it is not a folder."};
    }
    return {};
}

}  // namespace hwvault::os
