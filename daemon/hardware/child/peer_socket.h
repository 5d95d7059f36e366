// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's end of one connection: requests are read by one thread, answers written by any.
#pragma once

#include <functional>
#include <mutex>

#include <sys/types.h>

#include "daemon/hardware/protocol.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::hardware::child {

class PeerSocket {
public:
    explicit PeerSocket(os::Fd fd) : fd_(std::move(fd)) {}

    // Reads what is there and gives each request to `handle`. The error says why the connection is over:
    // kNotFound when the other side closed it, kInvalidArgument after a malformed or oversized frame.
    Result<void> receive(const std::function<void(Request)>& handle);

    // Thread-safe. Waits while the other side does not read; nothing happens once the connection is over.
    void send(const Answer& answer);
    // Thread-safe. Ends the connection, and every send() that waits.
    void hang_up();

    [[nodiscard]] int fd() const { return fd_.get(); }
    // Of the process that made the connection (SO_PEERCRED).
    [[nodiscard]] Result<uid_t> uid() const;

private:
    const os::Fd fd_;
    FrameReader frames_;
    std::mutex writing_;
};

}  // namespace hwvault::hardware::child
