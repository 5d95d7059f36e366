// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The unit of a live process, read through its pidfd, in control groups that the test makes (as root, where
// control group v2 is mounted).
#include "daemon/peer/process.h"
#include "tests/os/folder.h"
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
        CHECK(unit_of(child.pidfd()).value().name == "billing.service");
    }
    SECTION("in its control group") {
        REQUIRE(groups.enter("billing.service/.control", child.pid()));
        CHECK(unit_of(child.pidfd()).value().name == "billing.service");
    }
    SECTION("in a group below it that was not delegated") {
        REQUIRE(groups.enter("billing.service/worker", child.pid()));
        CHECK(unit_of(child.pidfd()).value().name == "billing.service");
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

TEST_CASE("Which run of its unit a process is of, systemd says in a folder that root alone writes") {
    const auto groups = make_groups();
    if (!groups) return;
    REQUIRE(groups->add("billing.service"));
    Child child;
    REQUIRE(groups->enter("billing.service", child.pid()));
    const os::TestFolder folder;
    const auto invocation = [&](const std::string& said) {
        const fs::path link = folder.path() / "invocation:billing.service";
        fs::remove(link);
        if (!said.empty()) fs::create_symlink(said, link);
        return unit_of(child.pidfd(), folder.path()).value().invocation;
    };
    const std::string id = "0123456789abcdef0123456789abcdef";
    CHECK(invocation(id) == id);
    // Nothing else is taken for one, and the unit is the unit all the same.
    for (const std::string& none : {std::string(), id.substr(1), id + "0", id.substr(1) + "/", id.substr(1) + "A"}) {
        CHECK(invocation(none).empty());
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
