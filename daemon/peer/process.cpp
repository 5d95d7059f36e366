// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/peer/process.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <filesystem>
#include <string_view>

#include <poll.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/magic.h>

#include "daemon/peer/cgroup.h"
#include "foundation/bytes.h"
#include "os/file.h"

namespace hwvault::peer {
namespace {

using std::filesystem::path;

constexpr std::size_t kMaxFdInfoSize = 4 << 10;
constexpr std::size_t kMaxCgroupFileSize = 64 << 10;  // some 14 hierarchies with a path of at most PATH_MAX each

constexpr std::size_t kInvocationSize = 32;            // sd_id128_to_string(3)

// "Pid:" in the descriptor's fdinfo (pidfd_open(2)): -1 once the process was reaped, 0 in another pid namespace.
std::optional<std::int32_t> pid_of(const os::Fd& pidfd) {
    const auto info = os::read_file("/proc/self/fdinfo/" + std::to_string(pidfd.get()), kMaxFdInfoSize);
    if (!info) return std::nullopt;
    constexpr std::string_view kKey = "\nPid:\t";
    auto text = text_of(*info);
    const auto found = text.find(kKey);
    if (found == std::string_view::npos) return std::nullopt;
    text.remove_prefix(found + kKey.size());
    std::int32_t pid = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (parsed.ec != std::errc{} || pid <= 0) return std::nullopt;
    return pid;
}

// A pidfd becomes readable when its process has ended.
bool still_runs(const os::Fd& pidfd) {
    pollfd wanted{pidfd.get(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) == 0;
}

std::optional<path> unified_mount() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        struct statfs status {};
        if (::statfs(mount, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC) return mount;
    }
    return std::nullopt;
}

// systemd marks a unit's control group with `user.delegate` = "1" under `Delegate=`; the unit then makes groups
// below it for others as it likes. Where the mark cannot be looked for, it is taken to be there.
bool is_delegated(std::string_view folder) {
    const auto mount = unified_mount();
    if (!mount) return true;
    std::array<char, 2> mark{};
    const auto group = mount->string() + std::string(folder);
    const ssize_t size = ::getxattr(group.c_str(), "user.delegate", mark.data(), mark.size());
    return size >= 0 ? mark[0] != '0' : errno != ENODATA;
}

std::string invocation_of(const std::string& unit, const path& invocations) {
    std::array<char, kInvocationSize + 1> target;  // one more, to see that there is no more
    const auto link = invocations / ("invocation:" + unit);
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    if (size != static_cast<ssize_t>(kInvocationSize)) return {};
    const std::string_view id{target.data(), kInvocationSize};
    if (id.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
    return std::string(id);
}

}  // namespace

std::optional<Unit> unit_of(const os::Fd& pidfd, const path& invocations) {
    if (!pidfd) return std::nullopt;
    const auto pid = pid_of(pidfd);
    if (!pid) return std::nullopt;
    const auto file = os::read_file("/proc/" + std::to_string(*pid) + "/cgroup", kMaxCgroupFileSize);
    if (!file) return std::nullopt;
    const auto group = unified_path(text_of(*file));
    if (!group) return std::nullopt;
    auto place = place_of_unit(*group);
    if (!place) return std::nullopt;
    // systemd itself makes one group below a unit's: `.control`, for its reload and stop commands.
    if (!place->below.empty() && place->below != ".control" && is_delegated(place->folder)) return std::nullopt;
    std::string invocation = invocation_of(place->name, invocations);
    // Last: all that was read is of this process only if it is still there.
    if (!still_runs(pidfd)) return std::nullopt;
    return Unit{std::move(place->name), std::move(invocation)};
}

std::string executable_of(const os::Fd& pidfd, std::int32_t pid) {
    if (pidfd) pid = pid_of(pidfd).value_or(0);
    if (pid <= 0) return {};
    std::array<char, PATH_MAX> target;
    const auto link = "/proc/" + std::to_string(pid) + "/exe";
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    return size > 0 ? std::string(target.data(), static_cast<std::size_t>(size)) : std::string{};
}

}  // namespace hwvault::peer
