// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the kernel vouches for at a connected socket.
#include <cerrno>
#include <cstdlib>
#include <set>
#include <vector>

#include <grp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/peer/peer.h"
#include "tests/catch.h"

namespace hwvault::peer {
namespace {

struct Pair {
    os::Fd ours;
    os::Fd theirs;
};

Pair connected_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    return {os::Fd{ends[0]}, os::Fd{ends[1]}};
}

// Runs a child that makes a socket pair as another user and sends one end back, then waits to be killed.
class OtherUser {
public:
    OtherUser(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
        auto channel = connected_pair();
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) be_the_user(channel.theirs.get(), uid, gid, groups);
        socket_ = received(channel.ours.get());
    }
    ~OtherUser() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] int socket() const { return socket_.get(); }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    [[noreturn]] static void be_the_user(int channel, uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
        int ends[2];
        if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0 ||
            ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
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
        REQUIRE(::poll(&wanted, 1, 5'000) == 1);
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

TEST_CASE("A peer is known by uid, groups and pid, its primary group first") {
    const OtherUser peer(1234, 2345, {9, 2345, 7});
    const auto credentials = credentials_of(peer.socket());
    REQUIRE(credentials.has_value());
    CHECK(credentials->uid == 1234);
    CHECK(credentials->pid == peer.pid());
    REQUIRE(credentials->gids.size() == 3);
    CHECK(credentials->gids[0] == 2345);
    CHECK(std::set<std::uint32_t>(credentials->gids.begin(), credentials->gids.end()) ==
          std::set<std::uint32_t>{7, 9, 2345});
}

TEST_CASE("A peer in very many groups keeps them all") {
    std::vector<gid_t> groups;
    for (gid_t gid = 3000; gid < 3500; ++gid) groups.push_back(gid);
    const OtherUser peer(1234, 2345, groups);
    const auto credentials = credentials_of(peer.socket());
    REQUIRE(credentials.has_value());
    CHECK(credentials->gids.size() == 501);
    CHECK(credentials->gids.front() == 2345);
    CHECK(credentials->gids.back() == 3499);
}

TEST_CASE("The kernel's pidfd is the peer's own") {
    const OtherUser peer(1234, 2345, {});
    auto credentials = credentials_of(peer.socket());
    REQUIRE(credentials.has_value());
    if (!credentials->pidfd) {
        WARN("skipped: this kernel has no SO_PEERPIDFD (Linux 6.5)");
        return;
    }
    pollfd ended{credentials->pidfd.get(), POLLIN, 0};
    CHECK(::poll(&ended, 1, 0) == 0);
    REQUIRE(::kill(peer.pid(), SIGKILL) == 0);
    CHECK(::poll(&ended, 1, 5'000) == 1);
}

TEST_CASE("A socket without a peer has no credentials") {
    const os::Fd lonely{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto credentials = credentials_of(lonely.get());
    REQUIRE_FALSE(credentials.has_value());
    CHECK(credentials.error().code == ErrorCode::kInvalidArgument);
    CHECK_FALSE(credentials_of(-1).has_value());
}

}  // namespace
}  // namespace hwvault::peer
