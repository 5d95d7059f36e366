// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/peer_socket.h"

#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

namespace hwvault::hardware::child {
namespace {

Error malformed() {
    return {ErrorCode::kInvalidArgument,
            "The other side sent a malformed request, so the connection was closed. Are hwvaultd and"
            " hwvault-hardware of the same version?"};
}

}  // namespace

Result<void> PeerSocket::receive(const std::function<void(Request)>& handle) {
    const auto space = frames_.space();
    const ssize_t got = ::recv(fd_.get(), space.data(), space.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
    if (got <= 0) return Error{ErrorCode::kNotFound, "The other side closed the connection."};
    frames_.filled(static_cast<std::size_t>(got));
    while (const auto frame = frames_.next()) {
        auto request = decode_request(*frame);
        if (!request) return malformed();
        handle(std::move(*request));
    }
    if (frames_.broken()) return malformed();
    return {};
}

void PeerSocket::send(const Answer& answer) {
    const LockedBytes frame = encode(answer);
    BytesView rest = frame;
    const std::lock_guard lock(writing_);
    while (!rest.empty()) {
        const ssize_t put = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (put >= 0) {
            rest = rest.subspan(static_cast<std::size_t>(put));
        } else if (errno == EAGAIN) {
            pollfd writable{fd_.get(), POLLOUT, 0};
            ::poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return;
        }
    }
}

void PeerSocket::hang_up() {
    ::shutdown(fd_.get(), SHUT_RDWR);
}

Result<uid_t> PeerSocket::uid() const {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return errno_error("SO_PEERCRED", errno);
    }
    return credentials.uid;
}

}  // namespace hwvault::hardware::child
