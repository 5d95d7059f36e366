// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling: from what the kernel (on the socket) or the bus (on D-Bus) vouches for, to a policy::Caller.
//
// The unit comes from /proc/<pid>/cgroup and counts only when a pidfd shows that the process is still the same
// one after it was read; without a pidfd a caller is its uid and groups and nothing more. User and group names
// come from the name service, asked on a thread of its own with a deadline, so that a hung directory server
// stops nobody but the caller that needs it. uid 65534, dynamic users (61184-65519) and uids that do not resolve
// have no user name. What is done for a unit much later is confirmed: the process may have ended or moved.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "foundation/result.h"
#include "os/fd.h"
#include "policy/caller.h"

namespace hwvault::peer {

// What is known before the name service was asked.
struct Credentials {
    std::uint32_t uid{65534};
    std::vector<std::uint32_t> gids;  // primary first
    std::int32_t pid{0};              // 0: unknown; a hint without the pidfd
    std::shared_ptr<const os::Fd> pidfd;  // none where kernel or bus has none
};

// A caller as it was found to be, and what that can be held against later.
struct Identity {
    policy::Caller caller;
    std::shared_ptr<const os::Fd> pidfd{};  // of a caller in a unit, and of no other
};

// SO_PEERCRED, SO_PEERGROUPS and, where the kernel has it (Linux 6.5), SO_PEERPIDFD of a connected Unix socket.
Result<Credentials> credentials_of(int socket);
// Whether the kernel has that last one at all: where it has, a caller without a pidfd is one whose process has ended.
bool kernel_tells_process();

// The unit's name in a cgroup path, the first component below the slices, as sd_pid_get_unit(3) has it: nullopt
// for user@*.service and what it was delegated, scopes, and machines. The path does not tell of other units whether
// what lies below them was delegated; the resolver looks, and then has no unit either (daemon/peer/process.h).
std::optional<std::string> unit_of_cgroup(std::string_view path);

class Resolver {
public:
    // Answers arrive on `strand`. The threads end with the object; a look-up that hangs is abandoned.
    static std::unique_ptr<Resolver> create(boost::asio::any_io_executor strand);
    virtual ~Resolver() = default;

    // kBusy when the name service does not answer by the deadline: 2 s, once it is the uid's turn, for which it waits 2 s
    // at most. Turns are given in rotation, so that one uid's questions hold up its own alone.
    virtual boost::asio::awaitable<Result<Identity>> resolve(Credentials credentials) = 0;
    // The caller as it is now: where its process has ended, or is in another unit or none, it is its uid and groups and
    // nothing more. A uid does not change on a connection, so a caller without a unit is given back at once. kBusy when
    // that cannot be told by the deadline; a name service that hangs does not hold this up.
    virtual boost::asio::awaitable<Result<policy::Caller>> confirm(Identity identity) = 0;
    // The uid of a user, for an account that is not the caller's own; kNotFound when there is no such user.
    // `asking` is who wants to know.
    virtual boost::asio::awaitable<Result<std::uint32_t>> uid_of(std::uint32_t asking, std::string user) = 0;
};

}  // namespace hwvault::peer
