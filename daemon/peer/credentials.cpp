// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "daemon/peer/peer.h"

namespace hwvault::peer {
namespace {

// Linux 6.5; Debian 12's headers are older than the kernels it runs on.
#ifdef SO_PEERPIDFD
constexpr int kPeerPidfd = SO_PEERPIDFD;
#else
constexpr int kPeerPidfd = 77;
#endif

// The kernel's own limit (NGROUPS_MAX, linux/limits.h).
constexpr std::size_t kMaxGroups = 65'536;

Result<std::vector<std::uint32_t>> peer_groups(int socket) {
    std::vector<std::uint32_t> groups(32);
    auto size = static_cast<socklen_t>(groups.size() * sizeof(std::uint32_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
        // ERANGE tells the size that is needed; a peer's groups do not change after it has connected.
        if (errno != ERANGE) return errno_error("getsockopt SO_PEERGROUPS", errno);
        groups.resize(std::min(size / sizeof(std::uint32_t), kMaxGroups));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
            return errno_error("getsockopt SO_PEERGROUPS", errno);
        }
    }
    groups.resize(size / sizeof(std::uint32_t));
    return groups;
}

// None where the kernel has no such option (ENOPROTOOPT), or the process is gone (ESRCH, EINVAL): such a caller is
// its uid and groups.
std::shared_ptr<const os::Fd> peer_pidfd(int socket) {
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    if (::getsockopt(socket, SOL_SOCKET, kPeerPidfd, &pidfd, &size) != 0) return nullptr;
    return std::make_shared<const os::Fd>(pidfd);
}

}  // namespace

bool kernel_tells_process() {
    const os::Fd unconnected(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int pidfd = -1;
    socklen_t size = sizeof pidfd;
    // ENODATA from a kernel that knows the option: this socket has no peer.
    return ::getsockopt(unconnected.get(), SOL_SOCKET, kPeerPidfd, &pidfd, &size) == 0 || errno != ENOPROTOOPT;
}

Result<Credentials> credentials_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return errno_error("getsockopt SO_PEERCRED", errno);
    }
    constexpr auto kNobodyThere = static_cast<uid_t>(-1);
    if (peer.uid == kNobodyThere) {
        return Error{ErrorCode::kInvalidArgument, "The socket has no peer: it is not connected."};
    }
    HWVAULT_TRY(auto groups, peer_groups(socket));
    std::erase(groups, peer.gid);
    groups.insert(groups.begin(), peer.gid);
    Credentials credentials;
    credentials.uid = peer.uid;
    credentials.gids = std::move(groups);
    credentials.pid = peer.pid;
    credentials.pidfd = peer_pidfd(socket);
    return credentials;
}

}  // namespace hwvault::peer
