// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The socket that clients connect to: made at a path, or taken from systemd.
//
// It gets its mode when it is made, from the umask, so that there is no moment at which it has another. A socket
// file that a dead daemon left is replaced; one that somebody listens on is not.
#pragma once

#include <filesystem>

#include <sys/types.h>

#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::os {

// Move-only. close() removes the file that it made, unless another stands in its place.
class ListeningSocket {
public:
    // Sets the process's umask for a moment: call it before other threads make files. kInvalidArgument, kBusy or
    // kInternal with a sentence that names the path and what to do.
    static Result<ListeningSocket> make(const std::filesystem::path& path, unsigned mode);
    // Takes the descriptor over; kInvalidArgument when it is no listening Unix stream socket.
    static Result<ListeningSocket> adopt(int fd);
    // The one that systemd handed over; makes one where it did not: `inherited_fd` is -1 then.
    static Result<ListeningSocket> adopt_or_make(int inherited_fd, const std::filesystem::path& path, unsigned mode);

    ListeningSocket(ListeningSocket&& other) noexcept;
    ListeningSocket& operator=(ListeningSocket&&) = delete;
    ~ListeningSocket() { close(); }

    [[nodiscard]] int fd() const { return fd_.get(); }
    void close();

private:
    explicit ListeningSocket(Fd fd) : fd_(std::move(fd)) {}

    Fd fd_;
    std::filesystem::path path_;  // empty when there is no file to remove
    dev_t device_{0};
    ino_t inode_{0};
};

}  // namespace hwvault::os
