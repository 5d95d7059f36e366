// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Descriptors that clients pass along with their bytes (SCM_RIGHTS). No method takes any, and nobody may be made to
// wait for them: whoever drops the last reference to a TCP socket with SO_LINGER and unsent data sleeps in there for as
// long as its owner likes, in close(2), and in a recv(2) that leaves the descriptors out.
//
// Linux 6.16 refuses them at the sender (SO_PASSRIGHTS). A connection that an older kernel made, or that was made before
// an inherited socket was ours, is looked at before it is read, which takes no reference: what was passed never enters
// this process, the connection ends, and its socket is closed off the strand, by a thread that does not linger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "os/blocking.h"
#include "os/fd.h"

namespace hwvault::doors::varlink {

// Who connects to this listening socket from now on is told EPERM when it passes descriptors, where the kernel can.
void refuse_descriptors(int listening);

// False when the kernel keeps them off this connection. Else it is made ready for receive_bytes().
bool may_bring_descriptors(int client);

struct Received {
    enum class End : std::uint8_t { kNone, kWouldBlock, kClosed, kDescriptors };
    std::size_t size{0};
    End end{End::kNone};  // when there are no bytes: why
};

// Reads what is there, but nothing when descriptors come with it: it, and they, stay in the socket. Does not wait.
Received receive_bytes(int client, std::span<std::uint8_t> space);

// Closes clients' sockets. Not thread-safe, but that the closing itself may be on a thread of its own.
class Closer {
public:
    // Never waits for what lies unread in the socket. The other end sees it closed at once.
    void close(os::Fd client);

private:
    std::optional<os::BlockingThreads> threads_;  // from the first socket on that needs them
};

}  // namespace hwvault::doors::varlink
