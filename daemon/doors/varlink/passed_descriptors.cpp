// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/doors/varlink/passed_descriptors.h"

#include <cerrno>
#include <latch>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/doors/varlink/limits.h"
#include "foundation/secret.h"

#ifndef SO_PASSPIDFD  // Linux 6.5
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PASSRIGHTS  // Linux 6.16
#define SO_PASSRIGHTS 83
#endif

namespace hwvault::doors::varlink {
namespace {

// Sockets that wait for a thread. Beyond twice as many, each costs the strand what it would cost the thread: about half
// a millisecond.
constexpr os::BlockingThreads::Limits kLimits{.threads = 2, .queue = 64, .hung = 0};

// Where the option is not known nothing needs to be set.
void set(int socket, int option, int value) {
    static_cast<void>(::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value));
}

// Drops the last reference to a socket with whatever lies in it. The kernel lets no ending task linger (PF_EXITING in
// inet_release()), so a thread with a table of descriptors of its own has the last reference, and ends. That table begins
// as a copy of all, and goes as soon as the socket is closed here.
void close_without_lingering(os::Fd socket) {
    std::latch has_own_table(1);
    std::latch is_closed_here(1);
    std::thread last;
    try {
        last = std::thread([&] {
            ::unshare(CLONE_FILES);  // if it fails, the one who waits here is a thread for it
            has_own_table.count_down();
            is_closed_here.wait();
        });
    } catch (const std::system_error&) {
        return;
    }
    has_own_table.wait();
    socket = os::Fd();
    is_closed_here.count_down();
    last.join();
}

// Closes wherever it is destroyed.
class Unwanted {
public:
    explicit Unwanted(os::Fd socket) : socket_(std::move(socket)) {}
    Unwanted(const Unwanted&) = delete;
    Unwanted& operator=(const Unwanted&) = delete;
    ~Unwanted() { close_without_lingering(std::move(socket_)); }

private:
    os::Fd socket_;
};

// Of a socket that was shut down, so that no more can come: true when descriptors lie in it, else it is empty then.
bool holds_descriptors(int client) {
    SecretBytes unread(kFirstBuffer);
    for (;;) {
        const Received received = receive_bytes(client, unread.reveal_to_fill());
        if (received.size == 0) return received.end == Received::End::kDescriptors;
    }
}

}  // namespace

void refuse_descriptors(int listening) {
    set(listening, SO_PASSRIGHTS, 0);
}

bool may_bring_descriptors(int client) {
    int passes = 1;
    socklen_t size = sizeof passes;
    if (::getsockopt(client, SOL_SOCKET, SO_PASSRIGHTS, &passes, &size) == 0 && passes == 0) return false;
    // An out-of-band byte is skipped by a look, and dropped by a read, unless it is in line with the others.
    set(client, SO_OOBINLINE, 1);
    // What else a socket unit may ask for looks like a descriptor that did not fit, or is one.
    for (const int option : {SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD}) set(client, option, 0);
    return true;
}

Received receive_bytes(int client, std::span<std::uint8_t> space) {
    using End = Received::End;
    iovec part{space.data(), space.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    ssize_t size = 0;
    do {
        size = ::recvmsg(client, &message, MSG_PEEK | MSG_DONTWAIT);
    } while (size < 0 && errno == EINTR);
    if (size > 0) {
        // There is no room for descriptors, so that they do not fit.
        if ((message.msg_flags & MSG_CTRUNC) != 0) return {0, End::kDescriptors};
        // The same bytes: nobody else reads, and more that came meanwhile lies behind them.
        size = ::recv(client, space.data(), static_cast<std::size_t>(size), MSG_DONTWAIT);
    }
    if (size > 0) return {static_cast<std::size_t>(size), End::kNone};
    return {0, size < 0 && (errno == EAGAIN || errno == EINTR) ? End::kWouldBlock : End::kClosed};
}

void Closer::close(os::Fd client) {
    if (!client || !may_bring_descriptors(client.get())) return;
    ::shutdown(client.get(), SHUT_RDWR);
    try {
        if (!holds_descriptors(client.get())) return;
        auto unwanted = std::make_shared<Unwanted>(std::move(client));
        if (!threads_) threads_.emplace(kLimits);
        threads_->run_unwatched([unwanted = std::move(unwanted)]() mutable { unwanted.reset(); });
    } catch (const std::bad_alloc&) {
        // A descriptor that is lost is better than a strand that waits.
        static_cast<void>(client.release());
    }
}

}  // namespace hwvault::doors::varlink
