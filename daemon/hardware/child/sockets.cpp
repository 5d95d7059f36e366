// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/sockets.h"

#include <cerrno>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

namespace hwvault::hardware::child {
namespace {

constexpr int kBacklog = 16;
constexpr mode_t kListenerUmask = 0111;  // a socket needs no execute permission

}  // namespace

Result<os::Fd> inherited_connection(int fd) {
    if (::sd_is_socket_unix(fd, SOCK_STREAM, 0, nullptr, 0) <= 0) {
        return Error{ErrorCode::kInvalidArgument,
                     "Descriptor " + std::to_string(fd) + " is no connected Unix stream socket."};
    }
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return os::Fd{fd};
}

Result<os::Fd> activated_listener() {
    if (::sd_listen_fds(1) != 1 || ::sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, nullptr, 0) <= 0) {
        return Error{ErrorCode::kInvalidArgument,
                     "systemd handed over no Unix stream socket: start hwvault-hardware.socket, or give --listen or --fd."};
    }
    return os::Fd{SD_LISTEN_FDS_START};
}

Result<os::Fd> make_listener(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) {
        return Error{ErrorCode::kInvalidArgument, path.string() + " is too long for a Unix socket."};
    }
    std::memcpy(address.sun_path, path.c_str(), path.native().size());
    os::Fd listener{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!listener) return errno_error("socket", errno);
    std::error_code ignored;
    if (std::filesystem::is_socket(path, ignored)) ::unlink(path.c_str());
    const mode_t before = ::umask(kListenerUmask);
    const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int reason = errno;
    ::umask(before);
    if (bound != 0) return errno_error("bind " + path.string(), reason);
    if (::listen(listener.get(), kBacklog) != 0) return errno_error("listen " + path.string(), errno);
    return listener;
}

}  // namespace hwvault::hardware::child
