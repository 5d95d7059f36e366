// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libclient/connection.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "libclient/wire/varlink.h"
#include "os/passing.h"

namespace hwvault::libclient {
namespace {

constexpr std::size_t kFirstBuffer = 4'096;  // every answer but a page or a large secret fits
constexpr std::size_t kKeptBuffer = 65'536;  // a larger one is given back after use: a process may lock few MiB
constexpr std::size_t kLargestBuffer = wire::kMaxMessageSize + 1;

std::string errno_text(int number) {
    return std::generic_category().message(number);
}

Failure no_vault(const std::string& address, int number) {
    std::string sentence = "No vault answers at " + address + " (" + errno_text(number) + "). ";
    sentence += number == EACCES
                    ? "Ask the administrator for access to this socket."
                    : "Start hwvaultd, or name its socket with --address or $HWVAULT_ADDRESS.";
    return {HWVAULT_ERROR_UNREACHABLE, std::move(sentence)};
}

Failure too_late(const std::string& address) {
    return {HWVAULT_ERROR_TIMEOUT, "The vault at " + address +
                                       " did not answer in time. Look at `hwvault status`, or allow more time."};
}

// poll(2)'s argument: whole milliseconds, rounded up, so that a wait never ends before its deadline.
int milliseconds_until(Deadline deadline) {
    if (deadline == Deadline::max()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<decltype(left)>(left, 0, INT_MAX));
}

// Makes a blocking connect(2), which waits while the listener's backlog is full, end by the deadline.
void limit_connect(const os::Fd& socket, Deadline deadline) {
    const long left = std::max(1, milliseconds_until(deadline));  // 0 would mean: without limit
    timeval limit{};
    limit.tv_sec = left / 1'000;
    limit.tv_usec = (left % 1'000) * 1'000;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

Connection::Connection(os::Fd socket, std::string address)
    : socket_(std::move(socket)), address_(std::move(address)), buffer_(kFirstBuffer) {}

Answer<void> Connection::check_address(const std::string& address) {
    if (address.empty() || address.size() >= sizeof sockaddr_un{}.sun_path) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT, "The path of the vault's socket has 1 to 107 bytes."};
    }
    return {};
}

Answer<Connection> Connection::open(const std::string& address, Deadline deadline) {
    HWVAULT_CHECK(check_address(address));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy(address.begin(), address.end(), name.sun_path);

    os::Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket) return no_vault(address, errno);
    limit_connect(socket, deadline);
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        if (errno == EAGAIN || errno == EINPROGRESS) return too_late(address);
        if (errno != EINTR) return no_vault(address, errno);
    }
    return Connection{std::move(socket), address};
}

Failure Connection::lost() const {
    return {HWVAULT_ERROR_UNREACHABLE, "The vault at " + address_ + " closed the connection before it answered."};
}

Answer<void> Connection::wait_for(short events, Deadline deadline) const {
    pollfd wanted{socket_.get(), events, 0};
    for (;;) {
        const int ready = ::poll(&wanted, 1, milliseconds_until(deadline));
        if (ready > 0) return {};
        if (ready == 0) return too_late(address_);
        if (errno != EINTR) return lost();
    }
}

Answer<void> Connection::send(BytesView message, Deadline deadline) {
    while (!message.empty()) {
        const ssize_t sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            message = message.subspan(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            HWVAULT_CHECK(wait_for(POLLOUT, deadline));
        } else if (errno != EINTR) {
            return lost();
        }
    }
    return {};
}

Answer<void> Connection::read_more(Deadline deadline, std::vector<os::Fd>* descriptors) {
    if (filled_ == buffer_.size()) {
        if (filled_ == kLargestBuffer) {
            return Failure{HWVAULT_ERROR_BAD_ANSWER,
                           "What answers at " + address_ + " sent more than the 2 MiB that a message may have."};
        }
        SecretBytes larger(std::min(2 * filled_, kLargestBuffer));
        std::copy_n(buffer_.reveal().begin(), filled_, larger.reveal_to_fill().begin());
        buffer_ = std::move(larger);
    }
    for (;;) {
        const auto space = buffer_.reveal_to_fill().subspan(filled_);
        const ssize_t got = descriptors == nullptr ? ::recv(socket_.get(), space.data(), space.size(), MSG_DONTWAIT)
                                                   : os::receive_with(socket_.get(), space, *descriptors);
        if (got > 0) {
            filled_ += static_cast<std::size_t>(got);
            return {};
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) return lost();
        HWVAULT_CHECK(wait_for(POLLIN, deadline));
    }
}

Answer<BytesView> Connection::receive(Deadline deadline) {
    return receive(deadline, nullptr);
}

Answer<BytesView> Connection::receive(Deadline deadline, std::vector<os::Fd>& descriptors) {
    return receive(deadline, &descriptors);
}

Answer<BytesView> Connection::receive(Deadline deadline, std::vector<os::Fd>* descriptors) {
    forget();
    for (std::size_t searched = 0;;) {
        const BytesView unread = buffer_.reveal().first(filled_);
        const auto end = std::find(unread.begin() + static_cast<std::ptrdiff_t>(searched), unread.end(), 0);
        if (end != unread.end()) {
            const auto size = static_cast<std::size_t>(end - unread.begin());
            returned_ = size + 1;
            return unread.first(size);
        }
        searched = filled_;
        HWVAULT_CHECK(read_more(deadline, descriptors));
    }
}

void Connection::forget() {
    const auto all = buffer_.reveal_to_fill();
    std::copy(all.begin() + static_cast<std::ptrdiff_t>(returned_), all.begin() + static_cast<std::ptrdiff_t>(filled_),
              all.begin());
    wipe(all.data() + (filled_ - returned_), returned_);
    filled_ -= std::exchange(returned_, 0);
    if (filled_ == 0 && buffer_.size() > kKeptBuffer) buffer_ = SecretBytes(kFirstBuffer);
}

bool Connection::idle() const {
    pollfd state{socket_.get(), POLLIN | POLLRDHUP, 0};
    return filled_ == returned_ && ::poll(&state, 1, 0) == 0;
}

}  // namespace hwvault::libclient
