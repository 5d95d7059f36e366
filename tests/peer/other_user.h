// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A peer that is another user, at the end of a connected socket.
#pragma once

#include <csignal>
#include <functional>
#include <vector>

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "tests/catch.h"

namespace hwvault::peer {

struct Pair {
    os::Fd ours;
    os::Fd theirs;
};

inline Pair connected_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {os::Fd{ends[0]}, os::Fd{ends[1]}};
}

// Runs a child that makes a socket pair as another user and sends one end back, then waits to be killed. `before` runs in
// the child, as that user, before the pair is made.
class OtherUser {
public:
    OtherUser(uid_t uid, gid_t gid, const std::vector<gid_t>& groups, const std::function<bool()>& before = {}) {
        auto channel = connected_pair();
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) be_the_user(channel.theirs.get(), uid, gid, groups, before);
        socket_ = received(channel.ours.get());
    }
    ~OtherUser() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    [[noreturn]] static void be_the_user(int channel, uid_t uid, gid_t gid, const std::vector<gid_t>& groups,
                                         const std::function<bool()>& before) {
        int ends[2];
        if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0 ||
            (before && !before()) || ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
            ::_exit(1);
        }
        char byte = 0;
        iovec part{&byte, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        *reinterpret_cast<int*>(CMSG_DATA(header)) = ends[0];
        if (::sendmsg(channel, &message, 0) != 1) ::_exit(1);
        for (;;) ::pause();
    }

    static os::Fd received(int channel) {
        pollfd wanted{channel, POLLIN, 0};
        REQUIRE(::poll(&wanted, 1, 30'000) == 1);
        char byte = 0;
        iovec part{&byte, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        REQUIRE(::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) == 1);
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        REQUIRE(header != nullptr);
        return os::Fd{*reinterpret_cast<const int*>(CMSG_DATA(header))};
    }

    pid_t pid_{-1};
    os::Fd socket_;
};

}  // namespace hwvault::peer
