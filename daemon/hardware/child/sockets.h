// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the child gets its socket: inherited from the daemon, handed over by systemd, or made by itself.
#pragma once

#include <filesystem>

#include "foundation/result.h"
#include "os/fd.h"

namespace hwvault::hardware::child {

// The connection inherited as this descriptor; kInvalidArgument when it is no stream socket.
Result<os::Fd> inherited_connection(int fd);

// The one listening socket that systemd handed over (sd_listen_fds(3)); kInvalidArgument when there is none.
Result<os::Fd> activated_listener();

// A new one; a socket that a former process left at `path` is removed. Everybody may connect: who is served is
// decided by the uid of the other side, which the kernel vouches for. Changes the umask meanwhile, so call it
// before there are threads.
Result<os::Fd> make_listener(const std::filesystem::path& path);

}  // namespace hwvault::hardware::child
