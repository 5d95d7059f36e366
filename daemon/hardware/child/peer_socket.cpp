// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/peer_socket.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace hwvault::hardware::child {
namespace {

Error malformed() {
    return {ErrorCode::kInvalidArgument,
            "The other side sent a malformed request, so the connection was closed. Are hwvaultd and"
            " hwvault-hardware of the same version?"};
}

}  // namespace

PeerSocket::PeerSocket(os::Fd fd, std::chrono::milliseconds patience) : fd_(std::move(fd)) {
    // Both are waited on in the calls themselves, however the descriptor was inherited.
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    ::fcntl(fd_.get(), F_SETFL, flags & ~O_NONBLOCK);
    const timeval limit{patience.count() / 1'000, patience.count() % 1'000 * 1'000};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

Result<std::optional<Request>> PeerSocket::next() {
    for (;;) {
        if (const auto frame = frames_.next()) {
            auto request = decode_request(*frame);
            if (!request) return over(malformed());
            return std::optional(std::move(*request));
        }
        if (frames_.broken()) return over(malformed());
        const auto space = frames_.space();
        const ssize_t got = ::recv(fd_.get(), space.data(), space.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return std::optional<Request>();
        if (got <= 0) return over({ErrorCode::kNotFound, "The other side closed the connection."});
        frames_.filled(static_cast<std::size_t>(got));
    }
}

void PeerSocket::send(const Answer& answer) {
    const LockedBytes frame = encode(answer);
    BytesView rest = frame;
    const std::lock_guard lock(writing_);
    while (!rest.empty()) {
        const ssize_t put = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR) return;
        if (put > 0) rest = rest.subspan(static_cast<std::size_t>(put));
    }
}

void PeerSocket::hang_up() {
    over_ = true;
    ::shutdown(fd_.get(), SHUT_RDWR);
}

Error PeerSocket::over(Error why) {
    hang_up();
    return why;
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
