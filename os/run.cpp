// SPDX-License-Identifier: LGPL-2.1-or-later
#include "os/run.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"

namespace hwvault::os {
namespace {

constexpr std::size_t kMaxOutput = 64 << 10;

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
    std::vector<std::string> merged = additions;
    const auto replaced = [&](std::string_view entry) {
        const std::string_view name = entry.substr(0, entry.find('=') + 1);
        return std::ranges::any_of(additions, [&](const std::string& addition) { return addition.starts_with(name); });
    };
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!replaced(*entry)) merged.emplace_back(*entry);
    }
    return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (std::string& text : texts) all.push_back(text.data());
    all.push_back(nullptr);
    return all;
}

std::string read_output(const Fd& pipe) {
    std::string output;
    std::array<char, 4096> chunk;
    for (;;) {
        const ssize_t got = ::read(pipe.get(), chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return output;
        if (output.size() < kMaxOutput) output.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

Result<void> wait_for(pid_t child, const std::string& name) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return errno_error("waiting for " + name, errno);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    const std::string how = WIFEXITED(status) ? "exit status " + std::to_string(WEXITSTATUS(status))
                                              : "signal " + std::to_string(WTERMSIG(status));
    return Error{ErrorCode::kInternal, name + " ended with " + how + ". Its own message says why."};
}

// posix_spawnp with the program's own name first; its standard output goes to `output`, or, with none, nowhere.
Result<pid_t> spawn(const Program& program, const Fd& output) {
    std::vector<std::string> arguments{program.path.string()};
    arguments.insert(arguments.end(), program.arguments.begin(), program.arguments.end());
    std::vector<std::string> environment = merged_environment(program.environment);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    if (output) {
        ::posix_spawn_file_actions_adddup2(&actions, output.get(), STDOUT_FILENO);
    } else {
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
            ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        }
    }
    pid_t child = -1;
    const int failure = ::posix_spawnp(&child, program.path.c_str(), &actions, nullptr, pointers(arguments).data(),
                                       pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) return errno_error("starting " + program.path.string(), failure);
    return child;
}

bool accepts(const std::filesystem::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.native().size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, socket.c_str(), socket.native().size());
    const Fd connection{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    return ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Result<std::string> run(const Program& program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2", errno);
    const Fd output{ends[0]};
    Fd input{ends[1]};

    HWVAULT_TRY(const pid_t child, spawn(program, input));
    input = Fd{};

    std::string printed = read_output(output);
    HWVAULT_CHECK(wait_for(child, program.path.string()));
    return printed;
}

Result<void> run_beside(const Program& program) {
    Program guarded{"setpriv", {"--pdeathsig", "KILL", program.path.string()}, program.environment};
    guarded.arguments.insert(guarded.arguments.end(), program.arguments.begin(), program.arguments.end());
    HWVAULT_CHECK(spawn(guarded, Fd{}));
    return {};
}

bool wait_for_socket(const std::filesystem::path& socket, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!accepts(socket)) {
        if (std::chrono::steady_clock::now() >= deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

std::filesystem::path own_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

}  // namespace hwvault::os
