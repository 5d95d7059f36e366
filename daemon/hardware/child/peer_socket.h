// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The child's end of one connection, for any number of threads: each waits for a request, and each that comes wakes one of
// them, the one that has slept for the shortest time.
//
// They wait in epoll(7) with EPOLLET, which the kernel answers one thread for each arrival. A lock that they hand on to each
// other, which was there before, woke a second thread for every request, on another core and before the first began its work.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>

#include <sys/types.h>

#include "daemon/hardware/protocol.h"
#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::hardware::child {

class PeerSocket {
public:
    // `patience`: how long next() waits; zero: without an end. An error when the system has no descriptor to give.
    static Result<std::shared_ptr<PeerSocket>> open(os::Fd fd, std::chrono::milliseconds patience);

    // Thread-safe. Waits for the next request; nullopt when none came to this thread for so long. The error
    // says why the connection is over, which is hung up then: kNotFound when either side ended it, kInvalidArgument, for one
    // of them, after a malformed or oversized frame.
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
    struct Waited {
        os::Fd arrivals;  // an epoll of the two below
        os::Fd more;      // an eventfd: a thread that leaves something to another
    };
    PeerSocket(os::Fd fd, Waited waited, std::chrono::milliseconds patience);

    [[nodiscard]] Result<std::optional<Request>> take();
    [[nodiscard]] Result<std::optional<Request>> read();
    void wake_another() const;
    Error over(Error why);

    const os::Fd fd_;
    const Waited waited_;
    const int patience_ms_;  // -1: without an end
    std::mutex reading_;  // what follows, up to over_
    FrameReader frames_;
    bool is_left_{false};  // perhaps something in the socket of which an arrival told, and tells no more
    std::atomic<bool> over_{false};
    std::mutex writing_;
};

}  // namespace hwvault::hardware::child
