// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which control groups name a unit, over a corpus of paths as systemd and container managers make them.
#include <string>

#include "daemon/peer/cgroup.h"
#include "daemon/peer/peer.h"
#include "tests/catch.h"

namespace hwvault::peer {
namespace {

struct Example {
    const char* path;
    const char* unit;
};

TEST_CASE("The unit is the first component below the slices") {
    const Example example = GENERATE(
        Example{"/system.slice/billing.service", "billing.service"},
        Example{"/system.slice/billing.service/", "billing.service"},
        Example{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"},
        Example{"/billing.service", "billing.service"},
        Example{"/a.slice/a-b.slice/a-b-c.slice/x.service", "x.service"},
        Example{"/user.slice/billing.service", "billing.service"},
        Example{"/system.slice/billing.service/.control", "billing.service"},
        Example{"/system.slice/billing.service/worker/1", "billing.service"},
        Example{"/system.slice/billing.service/inner.service", "billing.service"},
        Example{"/system.slice/user-runtime-dir@1000.service", "user-runtime-dir@1000.service"},
        Example{"/system.slice/a:b-c_d.e\\x2df@1.service", "a:b-c_d.e\\x2df@1.service"},
        // cg_escape() puts an underscore in front of what could be taken for the kernel's own file.
        Example{"/system.slice/_cpu.service", "cpu.service"},
        Example{"/system.slice/__billing.service", "_billing.service"},
        Example{"/_cpu.slice/billing.service", "billing.service"});
    INFO(example.path);
    CHECK(unit_of_cgroup(example.path) == std::optional<std::string>(example.unit));
}

TEST_CASE("What is no service of the system has no unit") {
    const std::string path = GENERATE(as<std::string>{},
        "", "/", "billing.service", "/system.slice", "/init.scope", "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/billing.service",
        "/user.slice/user-1000.slice/user@1000.service/billing.service",
        "/system.slice/run-r1.scope/billing.service", "/system.slice/docker-0123.scope",
        "/machine.slice/machine-debian.scope", "/machine.slice/billing.service",
        "/machine.slice/machine-a.slice/billing.service", "/machine.slice/systemd-nspawn@ci.service/payload/x.service",
        "/docker/0123456789ab", "/docker/0123456789ab/system.slice/billing.service", "/lxc.payload.a/billing.service",
        "/../system.slice/billing.service", "/system.slice/../billing.service", "/../../billing.service",
        "/system.slice/billing.service (deleted)", "/system.slice/.service", "/system.slice/@.service",
        "/system.slice/billing@.service", "/system.slice/@x.service", "/system.slice/bill ing.service",
        "/system.slice/billing.socket", "/system.slice/home.mount", "/system.slice/billing.services",
        "/system.slice/b\xc3\xa9.service", "/system.slice/_user@1000.service/x.service", "/.slice/billing.service");
    INFO(path);
    CHECK(unit_of_cgroup(path) == std::nullopt);
}

TEST_CASE("A unit's name is at most 255 bytes") {
    const std::string longest(255 - std::string(".service").size(), 'a');
    CHECK(unit_of_cgroup("/system.slice/" + longest + ".service") == longest + ".service");
    CHECK(unit_of_cgroup("/system.slice/a" + longest + ".service") == std::nullopt);
}

TEST_CASE("The place of a unit tells its own control group from what is below") {
    const std::string path = "/system.slice/billing.service//worker/1";
    const auto place = place_of_unit(path);
    REQUIRE(place);
    CHECK(place->name == "billing.service");
    CHECK(place->folder == "/system.slice/billing.service");
    CHECK(place->below == "worker/1");
    const auto itself = place_of_unit("/system.slice/billing.service/");
    REQUIRE(itself);
    CHECK(itself->below.empty());
}

TEST_CASE("Only the line of control group v2 counts") {
    CHECK(unified_path("0::/system.slice/a.service\n") == "/system.slice/a.service");
    CHECK(unified_path("9:name=systemd:/b.service\n1:cpu:/c.service\n0::/a.service\n") == "/a.service");
    CHECK(unified_path("0::/a.service") == "/a.service");
    CHECK(unified_path("") == std::nullopt);
    CHECK(unified_path("\n\n") == std::nullopt);
    CHECK(unified_path("10::/a.service\n1:name=systemd:/a.service\n") == std::nullopt);
}

}  // namespace
}  // namespace hwvault::peer
