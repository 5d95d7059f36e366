// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/listening_socket.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace hwvault::os {
namespace {

// As long as the kernel lets it be: 1,000 clients at once must find a place before the first was accepted.
constexpr int kBacklog = 4'096;

std::string sentence(const std::filesystem::path& path, const std::string& rest) {
    return "The socket " + path.string() + " " + rest;
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& text = path.native();
    if (text.empty() || text.size() >= sizeof address.sun_path) {
        return Error{ErrorCode::kInvalidArgument, sentence(path, "must have a path of 1 to 107 bytes.")};
    }
    std::copy(text.begin(), text.end(), address.sun_path);
    return address;
}

Fd new_socket() {
    return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// 0, or errno.
int bind_with_mode(const Fd& fd, const sockaddr_un& address, unsigned mode) {
    const mode_t before = ::umask(static_cast<mode_t>(~mode & 0777U));
    const int failed = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
    ::umask(before);
    return failed;
}

// Removes what is at the path when it is a socket that nobody listens on.
Result<void> remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return errno_error("lstat " + path.string(), errno);
    if (!S_ISSOCK(status.st_mode)) {
        return Error{ErrorCode::kInvalidArgument,
                     sentence(path, "cannot be made: a file that is no socket is there. Move it away.")};
    }
    const Fd probe = new_socket();
    if (!probe) return errno_error("socket", errno);
    const int connected = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    // EAGAIN is a listener whose backlog is full. Only a refusal shows that nobody is there.
    if (connected == 0 || errno != ECONNREFUSED) {
        return Error{ErrorCode::kBusy,
                     sentence(path, "is in use by another process. Stop the hwvaultd that runs already.")};
    }
    if (::unlink(path.c_str()) != 0) return errno_error("unlink " + path.string(), errno);
    return {};
}

}  // namespace

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      device_(other.device_),
      inode_(other.inode_) {}

Result<ListeningSocket> ListeningSocket::make(const std::filesystem::path& path, unsigned mode) {
    HWVAULT_TRY(const sockaddr_un address, address_of(path));
    ListeningSocket listening{new_socket()};
    if (!listening.fd_) return errno_error("socket", errno);
    int failed = bind_with_mode(listening.fd_, address, mode);
    if (failed == EADDRINUSE) {
        HWVAULT_CHECK(remove_stale(path, address));
        failed = bind_with_mode(listening.fd_, address, mode);
    }
    if (failed != 0) return errno_error("bind the socket " + path.string(), failed);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return errno_error("lstat " + path.string(), errno);
    listening.path_ = path;
    listening.device_ = status.st_dev;
    listening.inode_ = status.st_ino;
    if (::listen(listening.fd(), kBacklog) != 0) return errno_error("listen on " + path.string(), errno);
    return listening;
}

Result<ListeningSocket> ListeningSocket::adopt_or_make(int inherited_fd, const std::filesystem::path& path, unsigned mode) {
    return inherited_fd >= 0 ? adopt(inherited_fd) : make(path, mode);
}

Result<ListeningSocket> ListeningSocket::adopt(int fd) {
    ListeningSocket listening{Fd(fd)};
    const auto option = [fd](int name) {
        int value = -1;
        socklen_t size = sizeof value;
        return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
    };
    if (option(SO_DOMAIN) != AF_UNIX || option(SO_TYPE) != SOCK_STREAM || option(SO_ACCEPTCONN) != 1) {
        return Error{ErrorCode::kInvalidArgument,
                     "The descriptor that was handed over is no listening Unix stream socket. Correct the socket unit: "
                     "ListenStream= with a path."};
    }
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return errno_error("fcntl of the listening socket", errno);
    }
    return listening;
}

void ListeningSocket::close() {
    struct stat status {};
    const bool is_there = !path_.empty() && ::lstat(path_.c_str(), &status) == 0;
    if (is_there && status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
    path_.clear();
    fd_ = Fd();
}

}  // namespace hwvault::os
