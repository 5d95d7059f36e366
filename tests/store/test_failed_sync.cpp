// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A disk that takes what is written and fails when it is to sync it: the commit fails, and what it left in the -wal is
// no obstacle after the next one and a crash.
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <thread>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/store/fixture.h"

using namespace hwvault;
using namespace hwvault::store;
using namespace hwvault::store::testing;

namespace {

// From here on each fsync(2) and fdatasync(2) of the calling thread, and of no other, fails with EIO.
bool fail_syncs_of_this_thread() {
    sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fsync, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_fdatasync, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{static_cast<unsigned short>(std::size(steps)), steps};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

TEST_CASE("Commits that the disk did not sync leave nothing that a crash makes look like lost ones") {
    const TemporaryFolder folder;
    const path file = sample_store(folder);
    OpenStore open = open_store(file, root_key());
    const auto deploy = account_of(2, "app:deploy");
    const auto big = [&](std::uint64_t number, std::size_t size) {
        return open.commit(put(imported_token_of(number, deploy, "big"), Bytes(size, 1)));
    };
    REQUIRE(big(9, 100));  // the -wal has its header
    bool failing = false;
    Result<void> first{};
    Result<void> second{};
    std::thread([&] {
        failing = fail_syncs_of_this_thread();
        if (!failing) return;
        first = big(10, 40'000);
        second = big(11, 20'000);
    }).join();
    if (!failing) {
        WARN("skipped: no system call can be made to fail here: " << std::strerror(errno));
        return;
    }
    REQUIRE_FALSE(first);
    REQUIRE_FALSE(second);

    REQUIRE(open.commit(put(token_of(12, deploy, "small")), true));
    const path crashed = folder.get() / "crashed.db";
    copy_store(file, crashed);
    const auto all = read_all(crashed, root_key());
    INFO((all ? "" : all.error().message));
    REQUIRE(all);
    CHECK(all->epoch == open.epoch);
    CHECK(all->tokens.back().id == id_of('t', 12));
}
