// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/child_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <string_view>
#include <utility>

#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>

#include "os/asio.h"

namespace hwvault::hardware {
namespace {

namespace asio = boost::asio;

constexpr int kChildFd = 3;  // the first after the standard ones

// The child must not tell systemd that this process is ready, nor take its sockets.
constexpr std::array<std::string_view, 6> kNotInherited = {"NOTIFY_SOCKET", "WATCHDOG_USEC",  "WATCHDOG_PID",
                                                           "LISTEN_FDS",    "LISTEN_FDNAMES", "LISTEN_PID"};

std::string_view name_of(std::string_view variable) {
    return variable.substr(0, variable.find('='));
}

std::vector<std::string> environment_with(const std::vector<std::string>& added) {
    std::vector<std::string> environment = added;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view name = name_of(*variable);
        const bool replaced =
            std::any_of(added.begin(), added.end(), [&](const auto& other) { return name_of(other) == name; });
        const bool dropped = std::find(kNotInherited.begin(), kNotInherited.end(), name) != kNotInherited.end();
        if (!replaced && !dropped) environment.emplace_back(*variable);
    }
    return environment;
}

// As exec wants them: pointers into `strings`, which must live as long, and a null at the end.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> pointers;
    for (std::string& text : strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers;
}

// What posix_spawn does in the child before the program starts.
class SpawnSettings {
public:
    explicit SpawnSettings(int connection) {
        ::posix_spawn_file_actions_init(&actions_);
        ::posix_spawn_file_actions_adddup2(&actions_, connection, kChildFd);
        ::posix_spawn_file_actions_addclosefrom_np(&actions_, kChildFd + 1);
        sigset_t none;
        sigset_t all;
        ::sigemptyset(&none);
        ::sigfillset(&all);
        ::posix_spawnattr_init(&attributes_);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        // A group of its own: Ctrl-C at the daemon's terminal is the daemon's to handle.
        ::posix_spawnattr_setflags(&attributes_,
                                   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    }
    SpawnSettings(const SpawnSettings&) = delete;
    SpawnSettings& operator=(const SpawnSettings&) = delete;
    ~SpawnSettings() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    [[nodiscard]] const posix_spawn_file_actions_t* actions() const { return &actions_; }
    [[nodiscard]] const posix_spawnattr_t* attributes() const { return &attributes_; }

private:
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

std::string describe_end(const siginfo_t& info) {
    return (info.si_code == CLD_EXITED ? "exit status " : "signal ") + std::to_string(info.si_status);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const asio::any_io_executor& executor, const Spawn& spawn,
                                         os::Fd connection) {
    std::vector<std::string> arguments{spawn.path.string()};
    arguments.insert(arguments.end(), spawn.args.begin(), spawn.args.end());
    arguments.insert(arguments.end(), {"--fd", std::to_string(kChildFd)});
    std::vector<std::string> environment = environment_with(spawn.env);
    const SpawnSettings settings(connection.get());
    pid_t pid = -1;
    const int failure = ::posix_spawn(&pid, spawn.path.c_str(), settings.actions(), settings.attributes(),
                                      pointers_to(arguments).data(), pointers_to(environment).data());
    if (failure != 0) {
        return errno_error("starting " + spawn.path.string(), failure, ErrorCode::kHardwareUnavailable);
    }
    // The pid is ours until it is reaped, so this cannot name another process.
    os::Fd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
    if (!pidfd) {
        const int reason = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return errno_error("pidfd_open", reason, ErrorCode::kHardwareUnavailable);
    }
    return ChildProcess(executor, pid, std::move(pidfd));
}

ChildProcess::ChildProcess(const asio::any_io_executor& executor, pid_t pid, os::Fd pidfd)
    : pid_(pid), pidfd_(executor, pidfd.release()) {}

ChildProcess::~ChildProcess() {
    if (!pidfd_.is_open()) return;
    kill();
    constexpr int kPatienceMs = 1'000;  // a process inside the kernel (a device's driver) may take its time
    pollfd ended{pidfd_.native_handle(), POLLIN, 0};
    ::poll(&ended, 1, kPatienceMs);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.native_handle()), &info, WEXITED | WNOHANG);
}

void ChildProcess::kill() {
    if (pidfd_.is_open()) ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
}

asio::awaitable<std::string> ChildProcess::ended(std::chrono::milliseconds limit) {
    asio::steady_timer too_long(pidfd_.get_executor(), limit);
    // The timer may be due when the wait is over already, and then this object may be gone.
    const auto waiting = std::make_shared<bool>(true);
    too_long.async_wait([this, waiting](boost::system::error_code cancelled) {
        if (!cancelled && *waiting) pidfd_.cancel();
    });
    const auto [failure] = co_await pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                                                      os::kAsTuple);
    *waiting = false;
    if (failure) co_return std::string(kStillRunning);
    too_long.cancel();
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.native_handle()), &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0) {
        co_return "an unknown end";
    }
    pidfd_.close();
    co_return describe_end(info);
}

}  // namespace hwvault::hardware
