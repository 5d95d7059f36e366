// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The unit of a live process, read through its pidfd, in control groups that the test makes (as root, where
// control group v2 is mounted).
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/magic.h>

#include "daemon/peer/process.h"
#include "tests/catch.h"

namespace hwvault::peer {
namespace {

namespace fs = std::filesystem;

std::optional<fs::path> unified_mount() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        struct statfs status {};
        if (::statfs(mount, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) return mount;
    }
    return std::nullopt;
}

// A child that waits, in a control group of its own.
class Child {
public:
    Child() : pid_(::fork()) {
        if (pid_ == 0) {
            for (;;) ::pause();
        }
        REQUIRE(pid_ > 0);
        pidfd_ = os::Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
        REQUIRE(pidfd_);
    }
    ~Child() { end(); }

    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    void kill_unreaped() const {
        ::kill(pid_, SIGKILL);
        siginfo_t info;
        REQUIRE(::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) == 0);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] const os::Fd& pidfd() const { return pidfd_; }

private:
    pid_t pid_;
    os::Fd pidfd_;
};

// Control groups made for a test; removed again, the deepest first, once they are empty.
class Groups {
public:
    explicit Groups(const fs::path& mount)
        : root_(mount / ("hwvaulttest" + std::to_string(::getpid()) + ".slice")) {
        usable_ = add("");
    }
    ~Groups() {
        for (auto made = made_.rbegin(); made != made_.rend(); ++made) ::rmdir(made->c_str());
    }
    [[nodiscard]] bool usable() const { return usable_; }
    bool add(const fs::path& group) {
        std::error_code failure;
        const auto folder = group.empty() ? root_ : root_ / group;
        if (!fs::create_directory(folder, failure)) return false;
        made_.push_back(folder);
        return true;
    }
    [[nodiscard]] bool enter(const fs::path& group, pid_t pid) const {
        std::ofstream members(root_ / group / "cgroup.procs");
        members << pid << std::flush;
        return members.good();
    }
    [[nodiscard]] fs::path folder(const fs::path& group) const { return root_ / group; }

private:
    fs::path root_;
    std::vector<fs::path> made_;
    bool usable_{false};
};

TEST_CASE("The unit of a live process is read through its pidfd") {
    const auto mount = unified_mount();
    if (!mount) {
        WARN("skipped: control group v2 is not mounted");
        return;
    }
    Groups groups(*mount);
    if (!groups.usable()) {
        WARN("skipped: control groups cannot be made here");
        return;
    }
    REQUIRE(groups.add("billing.service"));
    REQUIRE(groups.add("billing.service/.control"));
    REQUIRE(groups.add("billing.service/worker"));
    Child child;

    SECTION("in the unit's own group") {
        REQUIRE(groups.enter("billing.service", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("in its control group") {
        REQUIRE(groups.enter("billing.service/.control", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("in a group below it that was not delegated") {
        REQUIRE(groups.enter("billing.service/worker", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("not below a delegated one, where others may run") {
        const auto folder = groups.folder("billing.service");
        if (::setxattr(folder.c_str(), "user.delegate", "1", 1, 0) != 0) {
            WARN("skipped: control groups take no user attributes here");
            return;
        }
        REQUIRE(groups.enter("billing.service", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
        REQUIRE(groups.enter("billing.service/worker", child.pid()));
        CHECK(unit_of(child.pidfd()) == std::nullopt);
    }
    SECTION("not once the process has ended") {
        REQUIRE(groups.enter("billing.service", child.pid()));
        child.kill_unreaped();
        CHECK(unit_of(child.pidfd()) == std::nullopt);
        child.end();
        CHECK(unit_of(child.pidfd()) == std::nullopt);
    }
    child.end();
}

TEST_CASE("Without a pidfd there is no unit") {
    CHECK(unit_of(os::Fd{}) == std::nullopt);
    const os::Fd no_pidfd{::dup(0)};
    CHECK(unit_of(no_pidfd) == std::nullopt);
}

TEST_CASE("The executable is a hint that may be empty") {
    const auto own = fs::read_symlink("/proc/self/exe").string();
    const Child child;
    CHECK(executable_of(child.pidfd(), 0) == own);
    CHECK(executable_of(os::Fd{}, child.pid()) == own);
    CHECK(executable_of(os::Fd{}, 0).empty());
    CHECK(executable_of(os::Fd{}, -1).empty());
}

}  // namespace
}  // namespace hwvault::peer
