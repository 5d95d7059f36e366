// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Processes and control groups that the tests make (as root, where control group v2 is mounted).
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/magic.h>

#include "os/fd.h"
#include "tests/catch.h"

namespace hwvault::peer {

namespace fs = std::filesystem;

inline std::optional<fs::path> unified_mount() {
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

// The control groups of one test; none, with the reason said, where they cannot be made.
inline std::unique_ptr<Groups> make_groups() {
    const auto mount = unified_mount();
    if (!mount) {
        WARN("skipped: control group v2 is not mounted");
        return nullptr;
    }
    auto groups = std::make_unique<Groups>(*mount);
    if (groups->usable()) return groups;
    WARN("skipped: control groups cannot be made here");
    return nullptr;
}

}  // namespace hwvault::peer
