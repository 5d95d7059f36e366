// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a started process gets, and that it is gone when its owner is.
#include "daemon/hardware/child_process.h"

#include <csignal>

#include "os/file.h"
#include "tests/catch.h"
#include "tests/hardware/harness.h"

namespace hwvault::hardware {
namespace {

Result<ChildProcess> start_shell(Loop& loop, const std::string& script, std::vector<std::string> environment = {}) {
    auto [ours, theirs] = socket_pair();
    return ChildProcess::start(loop.executor(), {.path = "/bin/sh", .args = {"-c", script}, .env = std::move(environment)},
                               std::move(theirs));
}

TEST_CASE("the way in which a child ended is told") {
    Loop loop;
    auto exited = start_shell(loop, "exit 7");
    REQUIRE(exited.has_value());
    CHECK(loop.run(exited->ended(kPatience)) == "exit status 7");
    auto killed = start_shell(loop, "kill -9 $$");
    REQUIRE(killed.has_value());
    CHECK(loop.run(killed->ended(kPatience)) == "signal 9");
    auto running = start_shell(loop, "sleep 60");
    REQUIRE(running.has_value());
    CHECK(loop.run(running->ended(10ms)) == ChildProcess::kStillRunning);
}

TEST_CASE("a child is killed and reaped with its owner") {
    Loop loop;
    pid_t pid = 0;
    {
        auto child = start_shell(loop, "sleep 60");
        REQUIRE(child.has_value());
        pid = child->pid();
        REQUIRE(::kill(pid, 0) == 0);
    }
    CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a child gets its descriptor and the environment, but nothing that systemd meant for the daemon") {
    const TempFolder folder;
    const auto [leaked, other] = socket_pair();
    const os::Fd inheritable{::dup(leaked.get())};  // without close-on-exec
    ::setenv("NOTIFY_SOCKET", "/run/none", 1);
    ::setenv("HWVAULT_TEST", "before", 1);
    Loop loop;
    auto child = start_shell(loop, "env > " + (folder.path() / "env").string() + "; ls /proc/$$/fd > " +
                                       (folder.path() / "fds").string() + "; echo \"$0 $1\" > " +
                                       (folder.path() / "args").string(),
                             {"HWVAULT_TEST=after", "ADDED=yes"});
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("HWVAULT_TEST");
    REQUIRE(child.has_value());
    REQUIRE(loop.run(child->ended(kPatience)) == "exit status 0");

    const auto content = [&](const char* name) {
        return std::string(text_of(os::read_file(folder.path() / name, 64 * 1024).value()));
    };
    const std::string environment = content("env");
    CHECK(environment.find("HWVAULT_TEST=after") != std::string::npos);
    CHECK(environment.find("ADDED=yes") != std::string::npos);
    CHECK(environment.find("before") == std::string::npos);
    CHECK(environment.find("PATH=") != std::string::npos);
    CHECK(environment.find("NOTIFY_SOCKET") == std::string::npos);
    CHECK(content("args") == "--fd 3\n");
    CHECK(content("fds").find("\n" + std::to_string(inheritable.get()) + "\n") == std::string::npos);
    CHECK(content("fds").find("\n3\n") != std::string::npos);
}

}  // namespace
}  // namespace hwvault::hardware
