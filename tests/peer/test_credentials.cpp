// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the kernel vouches for at a connected socket.
#include <set>
#include <vector>

#include "daemon/peer/peer.h"
#include "tests/peer/other_user.h"

namespace hwvault::peer {
namespace {

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
    pollfd ended{credentials->pidfd->get(), POLLIN, 0};
    CHECK(::poll(&ended, 1, 0) == 0);
    REQUIRE(::kill(peer.pid(), SIGKILL) == 0);
    CHECK(::poll(&ended, 1, 30'000) == 1);
}

TEST_CASE("The kernel is known to say whose process a peer is where it does") {
    const OtherUser peer(1234, 2345, {});
    const auto credentials = credentials_of(peer.socket());
    REQUIRE(credentials.has_value());
    CHECK(kernel_tells_process() == (credentials->pidfd != nullptr));
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
