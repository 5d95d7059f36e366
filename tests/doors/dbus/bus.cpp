// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/doors/dbus/bus.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "tests/catch.h"

namespace hwvault::doors::dbus {
namespace {

namespace fs = std::filesystem;

fs::path make_folder() {
    const char* base = std::getenv("TMPDIR");
    auto pattern = (fs::path(base != nullptr ? base : "/tmp") / "hwvault-bus-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    REQUIRE(::chmod(pattern.c_str(), 0755) == 0);  // callers of other users get in
    return pattern;
}

std::string first_line(int fd) {
    std::string line;
    char c = 0;
    pollfd wanted{fd, POLLIN, 0};
    while (::poll(&wanted, 1, 10'000) == 1 && ::read(fd, &c, 1) == 1 && c != '\n') line += c;
    return line;
}

}  // namespace

PrivateBus::PrivateBus(const std::string& policy) : folder_(make_folder()) {
    const auto config = folder_ / "bus.conf";
    std::ofstream(config) << "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
                             " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
                             "<busconfig><type>system</type><auth>EXTERNAL</auth><listen>unix:path="
                          << (folder_ / "socket").string() << "</listen>" << policy << "</busconfig>\n";
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const os::Fd ours{ends[0]};
    {
        const os::Fd theirs{ends[1]};
        const os::Fd log{::open((folder_ / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
        const auto argument = "--config-file=" + config.string();
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            ::dup2(theirs.get(), STDOUT_FILENO);
            ::dup2(log.get(), STDERR_FILENO);
            ::execlp("dbus-daemon", "dbus-daemon", argument.c_str(), "--print-address", "--nofork", "--nopidfile",
                     nullptr);
            ::_exit(127);
        }
    }
    address_ = first_line(ours.get());
    REQUIRE(address_.starts_with("unix:path="));
}

PrivateBus::~PrivateBus() {
    stop();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void PrivateBus::stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

void PrivateBus::hang() {
    REQUIRE(::kill(pid_, SIGSTOP) == 0);
    REQUIRE(::waitpid(pid_, nullptr, WUNTRACED) == pid_);
}

Strand::Strand()
    : thread_([this] {
          io_.run();
          ended_ = true;
      }) {
}

Strand::~Strand() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
}

bool Strand::drains() {
    busy_.reset();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!ended_ && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return ended_;
}

Door::Options on_bus(const std::string& address) {
    Door::Options options;
    options.address = address;
    options.status_patience = std::chrono::seconds{10};  // a machine that is busy is not a strand that hangs
    return options;
}

Serving::Serving(std::chrono::milliseconds drain) {
    Door::Options options = on_bus(bus.address());
    options.drain = drain;
    auto opened = strand.run([&] { return Door::create(strand.service(), strand.resolver(), options); });
    if (!opened) FAIL(opened.error().message);
    door = std::move(*opened);
}

}  // namespace hwvault::doors::dbus
