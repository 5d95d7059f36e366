// SPDX-License-Identifier: LGPL-2.1-or-later
//
// kill -9 at any moment: what commit() has acknowledged is there when the store is opened again.
//
// The process that is killed is this program once more, running the hidden test below: a fork alone would not do,
// since locked memory is wiped in the child.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "os/fd.h"
#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

constexpr int kAcknowledgeFd = 9;
constexpr const char* kFileVariable = "HWVAULT_TEST_CRASH_STORE";

// Each commit makes one token and revokes the one before it, so that tokens and epoch count the commits.
vault::Change numbered_change(std::uint64_t number) {
    const auto deploy = account_of(2, "app:deploy");
    const auto token = [&](std::uint64_t n) { return token_of(n, deploy, "t" + std::to_string(n)); };
    vault::Change change = put(token(number));
    if (number > 1) {
        vault::Token revoked = token(number - 1);
        revoked.revoked = true;
        change.tokens.push_back({revoked, false, std::nullopt});
    }
    return change;
}

struct Committing {
    pid_t pid;
    os::Fd acknowledged;  // a byte for each commit that was acknowledged
};

Committing start_committing(const path& file) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    os::Fd read_end{ends[0]};
    const os::Fd write_end{ends[1]};
    REQUIRE(::setenv(kFileVariable, file.c_str(), 1) == 0);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::dup2(write_end.get(), kAcknowledgeFd);
        ::execl("/proc/self/exe", "test_store", "[.commits-until-killed]", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    return {pid, std::move(read_end)};
}

// Waits for `commits` bytes at most; the rest of what the pipe holds is read after the end.
std::uint64_t read_acknowledged(const os::Fd& fd, std::uint64_t commits) {
    std::uint64_t count = 0;
    for (char byte = 0; count < commits && ::read(fd.get(), &byte, 1) == 1;) ++count;
    return count;
}

// Kills a process that commits to a new store so many times, and holds each time what is found to what was
// acknowledged; gives the number of commits. A fast disk makes thousands of them, hence a new store now and then.
std::uint64_t kill_while_committing(int times, std::mt19937& random) {
    const TemporaryFolder folder;
    const path file = new_store(folder);
    std::uint64_t acknowledged = 0;
    for (int round = 0; round < times; ++round) {
        const Committing committing = start_committing(file);
        const std::uint64_t before_kill = read_acknowledged(committing.acknowledged, random() % 4);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 8'000));
        REQUIRE(::kill(committing.pid, SIGKILL) == 0);
        int status = 0;
        REQUIRE(::waitpid(committing.pid, &status, 0) == committing.pid);
        REQUIRE(WIFSIGNALED(status));
        acknowledged += before_kill + read_acknowledged(committing.acknowledged, UINT64_MAX);

        const auto all = read_all(file, root_key());
        INFO("round " << round << ": " << (all ? "" : all.error().message));
        REQUIRE(all);
        CHECK(all->epoch >= acknowledged);
        CHECK(all->epoch <= acknowledged + 1);
        REQUIRE(all->tokens.size() == all->epoch);
        const vault::Id last = id_of('t', all->epoch);  // one check for all of them
        CHECK(std::ranges::all_of(all->tokens, [&](const auto& token) { return token.revoked == (token.id != last); }));
        acknowledged = all->epoch;
    }
    return acknowledged;
}

}  // namespace

TEST_CASE("A helper that commits until it is killed", "[.commits-until-killed]") {
    const char* file = std::getenv(kFileVariable);
    REQUIRE(file != nullptr);
    OpenStore open = open_store(file, root_key());
    for (std::uint64_t number = open.epoch + 1;; ++number) {
        REQUIRE(open.commit(numbered_change(number), true));
        if (::write(kAcknowledgeFd, "+", 1) != 1) break;
    }
}

TEST_CASE("A process killed while it commits loses nothing that was acknowledged") {
    constexpr int kKillsOfStore = 50;
    const int stores = is_long_run() ? 20 : 1;
    std::mt19937 random{11};
    std::uint64_t commits = 0;
    for (int store = 0; store < stores; ++store) commits += kill_while_committing(kKillsOfStore, random);
    std::printf("killed %d times, %llu commits\n", stores * kKillsOfStore, static_cast<unsigned long long>(commits));
    CHECK(commits > static_cast<std::uint64_t>(stores * kKillsOfStore));
}
