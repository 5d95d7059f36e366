// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is left of root, looked at from inside a child that becomes another user.
#include <csignal>

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/fd.h"
#include "os/identity.h"
#include "tests/catch.h"
#include "tests/os/folder.h"

namespace hwvault::os {
namespace {

constexpr uid_t kOwner = 54321;
constexpr gid_t kGroup = 54322;

// Which checks of a child failed, one bit each; 0 for none.
template <class Checks>
int in_a_child(Checks checks) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(checks());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool is_root() {
    if (::geteuid() == 0) return true;
    WARN("skipped: only root can become somebody else");
    return false;
}

bool opens(const std::filesystem::path& file, int how) {
    return static_cast<bool>(Fd{::open(file.c_str(), how | O_CLOEXEC)});
}

struct Owned {
    TestFolder folder;
    std::filesystem::path state{folder.path() / "state"};
    std::filesystem::path of_root{folder.path() / "key"};

    Owned() {
        ::chmod(folder.path().c_str(), 0755);
        ::mkdir(state.c_str(), 0700);
        Fd{::open(of_root.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)};
        if (::geteuid() == 0) REQUIRE(::chown(state.c_str(), kOwner, kGroup) == 0);
    }
};

TEST_CASE("Root becomes the owner of a folder, wholly and for good") {
    if (!is_root()) return;
    const Owned owned;
    CHECK(in_a_child([&] {
        const gid_t more[] = {0, 4};
        if (::setgroups(2, more) != 0 || !become_owner_of(owned.state)) return 1;
        uid_t uids[3];
        gid_t gids[3];
        ::getresuid(&uids[0], &uids[1], &uids[2]);
        ::getresgid(&gids[0], &gids[1], &gids[2]);
        int bad = 0;
        for (int i = 0; i < 3; ++i) bad |= uids[i] == kOwner && gids[i] == kGroup ? 0 : 2;
        bad |= ::getgroups(0, nullptr) == 0 ? 0 : 4;
        bad |= ::setresuid(0, 0, 0) == 0 ? 8 : 0;
        return bad;
    }) == 0);
}

TEST_CASE("Its new owner makes files of its own, reads those of root, and writes none of them") {
    if (!is_root()) return;
    const Owned owned;
    CHECK(in_a_child([&] {
        if (!become_owner_of(owned.state)) return 1;
        int bad = 0;
        bad |= Fd{::open((owned.state / "store").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)} ? 0 : 2;
        bad |= opens(owned.of_root, O_RDONLY) ? 0 : 4;
        bad |= opens(owned.of_root, O_WRONLY) ? 8 : 0;
        bad |= ::chown(owned.state.c_str(), 0, 0) == 0 ? 16 : 0;
        return bad;
    }) == 0);
    struct stat made {};
    REQUIRE(::stat((owned.state / "store").c_str(), &made) == 0);
    CHECK(made.st_uid == kOwner);
    CHECK(made.st_gid == kGroup);
}

TEST_CASE("It can let go of reading, too") {
    if (!is_root()) return;
    const Owned owned;
    CHECK(in_a_child([&] {
        if (!become_owner_of(owned.state) || !opens(owned.of_root, O_RDONLY) || !give_up_reading()) return 1;
        return opens(owned.of_root, O_RDONLY) ? 2 : 0;
    }) == 0);
}

TEST_CASE("What it starts has no capability at all") {
    if (!is_root()) return;
    const Owned owned;
    CHECK(in_a_child([&] {
        if (!become_owner_of(owned.state)) return 1;
        ::execlp("grep", "grep", "-qE", "^Cap(Inh|Prm|Eff|Bnd|Amb):\\s+0*[1-9a-f]", "/proc/self/status", nullptr);
        return 2;
    }) == 1);
}

TEST_CASE("A process that was to end with its parent still is") {
    if (!is_root()) return;
    const Owned owned;
    CHECK(in_a_child([&] {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!become_owner_of(owned.state)) return 1;
        int kept = 0;
        ::prctl(PR_GET_PDEATHSIG, &kept);
        return kept == SIGKILL ? 0 : 2;
    }) == 0);
}

TEST_CASE("Where the folder is one's own nothing changes") {
    const Owned owned;
    CHECK(in_a_child([&] {
        const uid_t before = ::geteuid();
        if (!become_owner_of(owned.folder.path())) return 1;
        return ::geteuid() == before && opens(owned.of_root, O_WRONLY) ? 0 : 2;
    }) == 0);
}

TEST_CASE("A folder that is not there is not found") {
    const Owned owned;
    CHECK(become_owner_of(owned.folder.path() / "nothing").error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace hwvault::os
