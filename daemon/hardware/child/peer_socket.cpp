// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child/peer_socket.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace hwvault::hardware::child {
namespace {

Error malformed() {
    return {ErrorCode::kInvalidArgument,
            "The other side sent a malformed request, so the connection was closed. Are hwvaultd and"
            " hwvault-hardware of the same version?"};
}

Error closed() {
    return {ErrorCode::kNotFound, "The other side closed the connection."};
}

// Each arrival is told once, to one thread.
Result<void> watch(const os::Fd& arrivals, const os::Fd& watched) {
    epoll_event wanted{};
    wanted.events = EPOLLIN | EPOLLET;
    if (::epoll_ctl(arrivals.get(), EPOLL_CTL_ADD, watched.get(), &wanted) != 0) return errno_error("epoll_ctl", errno);
    return {};
}

}  // namespace

Result<std::shared_ptr<PeerSocket>> PeerSocket::open(os::Fd fd, std::chrono::milliseconds patience) {
    Waited waited{.arrivals = os::Fd{::epoll_create1(EPOLL_CLOEXEC)}, .more = os::Fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}};
    if (!waited.arrivals || !waited.more) return errno_error("a descriptor to wait for requests by", errno);
    HWVAULT_CHECK(watch(waited.arrivals, fd));
    HWVAULT_CHECK(watch(waited.arrivals, waited.more));
    return std::shared_ptr<PeerSocket>(new PeerSocket(std::move(fd), std::move(waited), patience));
}

PeerSocket::PeerSocket(os::Fd fd, Waited waited, std::chrono::milliseconds patience)
    : fd_(std::move(fd)), waited_(std::move(waited)), patience_ms_(patience.count() > 0 ? static_cast<int>(patience.count()) : -1) {
    // Answers wait for room, however the descriptor was inherited.
    const int flags = ::fcntl(fd_.get(), F_GETFL);
    ::fcntl(fd_.get(), F_SETFL, flags & ~O_NONBLOCK);
}

Result<std::optional<Request>> PeerSocket::next() {
    for (;;) {
        epoll_event arrival{};
        const int ready = ::epoll_wait(waited_.arrivals.get(), &arrival, 1, patience_ms_);
        if (ready < 0) continue;  // interrupted
        if (ready == 0) return std::optional<Request>();
        auto request = take();
        if (!request || *request) return request;
    }
}

// One request of what has arrived; nullopt when others have taken it, or it is not whole yet.
Result<std::optional<Request>> PeerSocket::take() {
    const std::lock_guard lock(reading_);
    auto request = over_ ? Result<std::optional<Request>>(closed()) : read();
    if (!request || (*request && (is_left_ || frames_.holds_more()))) wake_another();
    return request;
}

Result<std::optional<Request>> PeerSocket::read() {
    is_left_ = true;  // a frame that is here already leaves the arrival that woke this thread unlooked at
    for (;;) {
        if (const auto frame = frames_.next()) {
            auto request = decode_request(*frame);
            if (!request) return over(malformed());
            return std::optional(std::move(*request));
        }
        if (frames_.broken()) return over(malformed());
        const auto space = frames_.space();
        const ssize_t got = ::recv(fd_.get(), space.data(), space.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        is_left_ = got > 0 && static_cast<std::size_t>(got) == space.size();
        if (got < 0 && errno == EAGAIN) return std::optional<Request>();
        if (got <= 0) return over(closed());
        frames_.filled(static_cast<std::size_t>(got));
    }
}

void PeerSocket::wake_another() const {
    // Never read: with EPOLLET each write is an arrival. It fails only when the counter is full, after 2^64 of them.
    ::eventfd_write(waited_.more.get(), 1);
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
