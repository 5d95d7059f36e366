// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The unit of a live process, read through its pidfd, in control groups that the test makes (as root, where
// control group v2 is mounted).
#include "daemon/peer/process.h"
#include "tests/peer/processes.h"

namespace hwvault::peer {
namespace {

TEST_CASE("The unit of a live process is read through its pidfd") {
    const auto made = make_groups();
    if (!made) return;
    Groups& groups = *made;
    REQUIRE(groups.add("billing.service"));
    REQUIRE(groups.add("billing.service/.control"));
    REQUIRE(groups.add("billing.service/worker"));
    Child child;

    SECTION("in the unit's own group") {
        REQUIRE(groups.enter("billing.service", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("in its control group") {
        REQUIRE(groups.enter("billing.service/.control", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("in a group below it that was not delegated") {
        REQUIRE(groups.enter("billing.service/worker", child.pid()));
        CHECK(unit_of(child.pidfd()) == "billing.service");
    }
    SECTION("not once the process has ended") {
        REQUIRE(groups.enter("billing.service", child.pid()));
        child.kill_unreaped();
        CHECK(unit_of(child.pidfd()) == std::nullopt);
        child.end();
        CHECK(unit_of(child.pidfd()) == std::nullopt);
    }
    child.end();
}

TEST_CASE("Without a pidfd there is no unit") {
    CHECK(unit_of(os::Fd{}) == std::nullopt);
    const os::Fd no_pidfd{::dup(0)};
    CHECK(unit_of(no_pidfd) == std::nullopt);
}

TEST_CASE("The executable is a hint that may be empty") {
    const auto own = fs::read_symlink("/proc/self/exe").string();
    const Child child;
    CHECK(executable_of(child.pidfd(), 0) == own);
    CHECK(executable_of(os::Fd{}, child.pid()) == own);
    CHECK(executable_of(os::Fd{}, 0).empty());
    CHECK(executable_of(os::Fd{}, -1).empty());
}

}  // namespace
}  // namespace hwvault::peer
