// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/doors/dbus/clients.h"

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/catch.h"

namespace hwvault::doors::dbus {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::string_view kPython = "/usr/bin/python3";  // Debian's own, which its python3-dbus belongs to

// Input as a file, so that the program reads as much of it as it likes.
os::Fd file_with(std::string_view input) {
    os::Fd file{::memfd_create("input", MFD_CLOEXEC)};
    REQUIRE(::write(file.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
    REQUIRE(::lseek(file.get(), 0, SEEK_SET) == 0);
    return file;
}

}  // namespace

Running::Running(const std::vector<std::string>& command, std::string_view input) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    output_ = os::Fd{ends[0]};
    const os::Fd theirs{ends[1]};
    const auto given = file_with(input);
    std::vector<char*> arguments;
    for (const auto& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::dup2(given.get(), STDIN_FILENO);
        ::dup2(theirs.get(), STDOUT_FILENO);
        ::dup2(theirs.get(), STDERR_FILENO);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
}

Running::Running(Running&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)), said_(std::move(other.said_)) {
}

Running::~Running() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

bool Running::read_some(int limit) {
    pollfd wanted{output_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, limit) != 1) return false;
    std::array<char, 65'536> buffer;
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got > 0) said_.append(buffer.data(), static_cast<std::size_t>(got));
    return got > 0;
}

Outcome Running::finish() {
    const auto deadline = steady_clock::now() + std::chrono::seconds{30};
    while (steady_clock::now() < deadline && read_some(30'000)) {
    }
    if (steady_clock::now() >= deadline) ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), std::move(said_)};
}

bool Running::says(std::string_view text) {
    const auto deadline = steady_clock::now() + std::chrono::seconds{30};
    while (said_.find(text) == std::string::npos) {
        if (steady_clock::now() >= deadline) return false;
        read_some(100);
    }
    return true;
}

bool Running::shows(std::string_view text) {
    while (read_some(50)) {
    }
    return said_.find(text) != std::string::npos;
}

Outcome Running::interrupt() {
    ::kill(pid_, SIGINT);
    return finish();
}

Outcome run(const std::vector<std::string>& command, std::string_view input) {
    return Running(command, input).finish();
}

Outcome busctl(const std::string& address, std::vector<std::string> arguments) {
    std::vector<std::string> command{"busctl", "--address=" + address, "call", "org.hwvault.Vault1",
                                     "/org/hwvault/Vault1", "org.hwvault.Vault1"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command);
}

std::vector<std::string> python(const std::string& address, std::vector<std::string> arguments) {
    const char* client = std::getenv("HWVAULT_DBUS_CLIENT");
    REQUIRE(client != nullptr);
    std::vector<std::string> command{std::string(kPython), client, address};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

bool have(const std::string& program) {
    if (run({"sh", "-c", "command -v " + program}).status == 0) return true;
    WARN("skipped: there is no " + program + " here");
    return false;
}

bool have_python_dbus(bool main_loop) {
    const std::string modules = main_loop ? "import dbus.mainloop.glib, gi.repository.GLib" : "import dbus";
    if (run({std::string(kPython), "-c", modules}).status == 0) return true;
    WARN("skipped: Debian's python3 cannot do `" + modules + "`");
    return false;
}

}  // namespace hwvault::doors::dbus
