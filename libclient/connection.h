// SPDX-License-Identifier: LGPL-2.1-or-later
//
// One connection to the vault's Unix socket: messages out, messages in, each call with a deadline.
//
// It frames (a NUL ends a message) and caps (wire::kMaxMessageSize), and knows nothing of their meaning. What it has
// read lies in locked memory and is wiped when it was used. After a failure the connection is of no more use, as an
// answer could come out of step; only a receive() that timed out may be called again. Not thread-safe.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "foundation/bytes.h"
#include "foundation/secret.h"
#include "libclient/failure.h"
#include "os/fd.h"

namespace hwvault::libclient {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

class Connection {
public:
    // InvalidArgument unless it fits a Unix socket's path.
    static Answer<void> check_address(const std::string& address);

    // Unreachable when nobody listens at `address`, Timeout when nobody accepts in time.
    static Answer<Connection> open(const std::string& address, Deadline deadline);

    // `message` ends with its NUL. Unreachable when the vault closed, Timeout.
    Answer<void> send(BytesView message, Deadline deadline);

    // The next message without its NUL, valid until the next receive(). BadAnswer when it is too long.
    Answer<BytesView> receive(Deadline deadline);
    // The same, and the descriptors that come with it are added to `descriptors`.
    Answer<BytesView> receive(Deadline deadline, std::vector<os::Fd>& descriptors);
    // Wipes what the last receive() gave.
    void forget();

    // True when the connection is open and nothing unasked has arrived: fit for another call.
    [[nodiscard]] bool idle() const;

    [[nodiscard]] int fd() const { return socket_.get(); }

private:
    Connection(os::Fd socket, std::string address);

    Answer<BytesView> receive(Deadline deadline, std::vector<os::Fd>* descriptors);
    Answer<void> read_more(Deadline deadline, std::vector<os::Fd>* descriptors);
    Answer<void> wait_for(short events, Deadline deadline) const;
    [[nodiscard]] Failure lost() const;

    os::Fd socket_;
    std::string address_;
    SecretBytes buffer_;
    std::size_t filled_{0};    // bytes of buffer_ that were read from the socket
    std::size_t returned_{0};  // of these, what the last receive() gave, its NUL included
};

}  // namespace hwvault::libclient
