// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The hardware child as a process that this one started: over one end of a socket pair, watched and killed by its
// pidfd, so that no signal handler is needed and no other process can be hit.
//
// It inherits the descriptor named on its command line and the standard ones, nothing else; of the environment
// everything but what systemd meant for this process. It ends by itself when the other end of the pair closes.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::hardware {

// How to start it.
struct Spawn {
    std::filesystem::path path;     // of hwvault-hardware
    std::vector<std::string> args;  // after argv[0]; `--fd N` is put behind them
    std::vector<std::string> env;   // "NAME=value": added to this process's environment, or in place of it there
};

class ChildProcess {
public:
    static constexpr std::string_view kStillRunning = "still running";

    // Starts it with `connection` as its end of the pair. kHardwareUnavailable names the program and errno.
    static Result<ChildProcess> start(const boost::asio::any_io_executor& executor, const Spawn& spawn,
                                      os::Fd connection);
    ChildProcess(ChildProcess&&) = default;
    ChildProcess& operator=(ChildProcess&&) = delete;
    // Kills and reaps a child that still runs; waits at most a second.
    ~ChildProcess();

    // SIGKILL, which a stopped process does not survive either.
    void kill();
    // Waits until it ended, reaps it, and says how it ended: "exit status 1", "signal 9"; kStillRunning after
    // `limit`.
    boost::asio::awaitable<std::string> ended(std::chrono::milliseconds limit);

    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    ChildProcess(const boost::asio::any_io_executor& executor, pid_t pid, os::Fd pidfd);

    pid_t pid_;
    boost::asio::posix::stream_descriptor pidfd_;
};

}  // namespace hwvault::hardware
