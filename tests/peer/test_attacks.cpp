// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Callers who would be taken for somebody else: each test is named after what they try.
#include <optional>
#include <string>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/xattr.h>

#include <linux/sched.h>

#include "daemon/peer/peer.h"
#include "daemon/peer/process.h"
#include "tests/peer/other_user.h"
#include "tests/peer/processes.h"

namespace hwvault::peer {
namespace {

// A process of this very pid, which must be free; it waits to be killed. nullopt where the kernel does not let us choose.
std::optional<pid_t> fork_as(pid_t pid) {
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    arguments.set_tid = reinterpret_cast<std::uintptr_t>(&pid);
    arguments.set_tid_size = 1;
    const long made = ::syscall(SYS_clone3, &arguments, sizeof arguments);
    if (made == 0) {
        for (;;) ::pause();
    }
    if (made < 0) return std::nullopt;
    return static_cast<pid_t>(made);
}

// Not in a chroot, nor where the kernel is told to forbid it.
bool can_make_user_namespaces() {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_CASE("a recycled pid") {
    const auto groups = make_groups();
    if (!groups) return;
    REQUIRE(groups->add("billing.service"));
    Child caller;
    const pid_t pid = caller.pid();
    CHECK(unit_of(caller.pidfd()) == std::nullopt);  // it is no unit's
    caller.end();
    const auto other = fork_as(pid);
    if (!other) {
        WARN("skipped: this kernel does not let a process choose its child's pid (Linux 5.5, root)");
        return;
    }
    CHECK(*other == pid);
    CHECK(groups->enter("billing.service", pid));
    // The number is a unit's by now; the descriptor is still the caller's, who is gone.
    CHECK(unit_of(caller.pidfd()) == std::nullopt);
    CHECK(executable_of(caller.pidfd(), pid).empty());
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
}

TEST_CASE("a caller in another user namespace") {
    static constexpr uid_t kUid = 1234;
    if (!can_make_user_namespaces()) {
        WARN("skipped: no user namespace can be made here");
        return;
    }
    SECTION("as root in it, which is nobody but the user outside") {
        const OtherUser peer(kUid, kUid, {}, [] {
            ::prctl(PR_SET_DUMPABLE, 1);  // a process that has changed its user does not own its files in /proc
            if (::unshare(CLONE_NEWUSER) != 0) return false;
            std::ofstream("/proc/self/setgroups") << "deny";
            std::ofstream("/proc/self/uid_map") << "0 " << std::to_string(kUid) << " 1";
            std::ofstream("/proc/self/gid_map") << "0 " << std::to_string(kUid) << " 1";
            return ::getuid() == 0 && ::getgid() == 0;
        });
        const auto credentials = credentials_of(peer.socket());
        REQUIRE(credentials);
        CHECK(credentials->uid == kUid);
        CHECK(credentials->gids.front() == kUid);
    }
    SECTION("with no uid of its own in it, which is the user outside all the same") {
        const OtherUser peer(kUid, kUid, {}, [] { return ::unshare(CLONE_NEWUSER) == 0 && ::getuid() == 65'534; });
        const auto credentials = credentials_of(peer.socket());
        REQUIRE(credentials);
        CHECK(credentials->uid == kUid);
    }
}

TEST_CASE("a delegated cgroup called billing.service") {
    const auto groups = make_groups();
    if (!groups) return;
    Child caller;
    SECTION("below a unit that delegates, which makes groups as it likes") {
        REQUIRE(groups->add("runner.service"));
        REQUIRE(groups->add("runner.service/billing.service"));
        if (::setxattr(groups->folder("runner.service").c_str(), "user.delegate", "1", 1, 0) != 0) {
            WARN("skipped: control groups take no user attributes here");
            return;
        }
        REQUIRE(groups->enter("runner.service", caller.pid()));
        CHECK(unit_of(caller.pidfd()).value().name == "runner.service");
        REQUIRE(groups->enter("runner.service/billing.service", caller.pid()));
        CHECK(unit_of(caller.pidfd()) == std::nullopt);
    }
    SECTION("below a user's own service manager") {
        REQUIRE(groups->add("user@1000.service"));
        REQUIRE(groups->add("user@1000.service/billing.service"));
        REQUIRE(groups->enter("user@1000.service/billing.service", caller.pid()));
        CHECK(unit_of(caller.pidfd()) == std::nullopt);
    }
    caller.end();
}

}  // namespace
}  // namespace hwvault::peer
