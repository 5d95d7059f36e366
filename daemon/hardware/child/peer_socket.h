// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's end of one connection: requests are read by one thread at a time, answers written by any.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <optional>

#include <sys/types.h>

#include "daemon/hardware/protocol.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::hardware::child {

class PeerSocket {
public:
    // `patience`: how long next() waits; zero: without an end.
    PeerSocket(os::Fd fd, std::chrono::milliseconds patience);

    // Waits for the next request; nullopt when none came for so long. The error says why the connection is over, which
    // is hung up then: kNotFound when either side ended it, kInvalidArgument after a malformed or oversized frame.
    Result<std::optional<Request>> next();

    // Thread-safe. Waits while the other side does not read; nothing happens once the connection is over.
    void send(const Answer& answer);
    // Thread-safe. Ends the connection, and every call that waits.
    void hang_up();
    // Thread-safe. True once it was hung up here; an end by the other side shows in next().
    [[nodiscard]] bool is_over() const { return over_; }

    [[nodiscard]] int fd() const { return fd_.get(); }
    // Of the process that made the connection (SO_PEERCRED).
    [[nodiscard]] Result<uid_t> uid() const;

private:
    Error over(Error why);

    const os::Fd fd_;
    FrameReader frames_;
    std::atomic<bool> over_{false};
    std::mutex writing_;
};

}  // namespace hwvault::hardware::child
