// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling over the bus, and how much one caller may have under way.
#include <set>
#include <string>

#include "tests/catch.h"
#include "tests/doors/dbus/bus.h"
#include "tests/doors/dbus/clients.h"
#include "tests/peer/processes.h"

namespace hwvault::doors::dbus {
namespace {

using Strings = std::vector<std::string>;

std::vector<std::string> as_user(std::vector<std::string> command) {
    std::vector<std::string> wrapped{"setpriv", "--reuid=1", "--regid=2", "--groups=3,4"};
    wrapped.insert(wrapped.end(), command.begin(), command.end());
    return wrapped;
}

// In a control group of a unit's name, which a shell enters before it becomes the command.
std::vector<std::string> in_unit(const std::string& folder, const std::vector<std::string>& command) {
    std::vector<std::string> wrapped{"sh", "-c", "echo $$ >" + folder + "/cgroup.procs && exec \"$@\"", "in-unit"};
    wrapped.insert(wrapped.end(), command.begin(), command.end());
    return wrapped;
}

std::vector<std::string> describe(const std::string& address) {
    return {"busctl", "--address=" + address, "call", "org.hwvault.Vault1", "/org/hwvault/Vault1",
            "org.hwvault.Vault1", "Describe", "ss", "", ""};
}

TEST_CASE("A caller of another user is that user, with its groups") {
    if (!have("busctl") || !have("setpriv")) return;
    Serving serving;
    const auto answer = run(as_user(describe(serving.bus.address())));
    INFO(answer.output);
    REQUIRE(answer.status == 0);
    const auto seen = serving.service.last("Describe");
    REQUIRE(seen.has_value());
    CHECK(seen->caller.uid == 1);
    CHECK(seen->caller.user == "daemon");
    CHECK(std::set<std::string>(seen->caller.groups.begin(), seen->caller.groups.end()) ==
          std::set<std::string>{"bin", "sys", "adm"});
    CHECK(run(describe(serving.bus.address())).status == 0);
    CHECK(serving.service.last("Describe")->caller.uid == 0);
}

TEST_CASE("Without a pidfd from the bus a caller has no unit") {
    if (!have_python_dbus() || !have("busctl")) return;
    Serving serving;
    if (run(python(serving.bus.address(), {"credentials"})).has("ProcessFD")) {
        WARN("skipped: this dbus-daemon gives a ProcessFD");
        return;
    }
    REQUIRE(run(describe(serving.bus.address())).status == 0);
    CHECK(serving.service.last("Describe")->caller.unit == std::nullopt);
}

TEST_CASE("A caller has at most 64 calls under way, and others go on") {
    if (!have_python_dbus() || !have("busctl")) return;
    Serving serving;
    const auto& address = serving.bus.address();

    SECTION("63 and one more") {
        const auto allowed = run(python(address, {"crowd", "63"}));
        CHECK(allowed.has("\"name\": \"one-more\""));
    }
    SECTION("64 and one more") {
        const auto refused = run(python(address, {"crowd", "64"}));
        CHECK(refused.has("org.hwvault.Error.Busy"));
        CHECK(refused.has("64 calls under way"));
        CHECK(serving.service.wait_for("Revoke", 64));
        CHECK(serving.service.calls_of("Describe") == 0);
        CHECK(run(describe(address)).status == 0);
    }
    serving.service.release();
}

TEST_CASE("A user with many connections leaves half of the calls on the bus to others") {
    if (!have_python_dbus() || !have("busctl") || !have("setpriv")) return;
    Serving serving;
    const auto& address = serving.bus.address();
    const auto refused = run(python(address, {"crowds", "3"}));
    INFO(refused.output);
    CHECK(refused.has("org.hwvault.Error.Busy"));
    CHECK(refused.has("128 calls on the bus"));
    CHECK(serving.service.wait_for("Revoke", 128));
    CHECK(serving.service.calls_of("Revoke") == 128);
    CHECK(run(as_user(describe(address))).status == 0);
    serving.service.release();
}

TEST_CASE("A unit with many connections leaves some of its user's calls on the bus to that user") {
    if (!have_python_dbus() || !have("busctl")) return;
    Serving serving;
    const auto& address = serving.bus.address();
    if (!run(python(address, {"credentials"})).has("ProcessFD")) {
        WARN("skipped: this dbus-daemon gives no ProcessFD, so nobody is a unit");
        return;
    }
    const auto groups = peer::make_groups();
    if (!groups) return;
    REQUIRE(groups->add("crowded.service"));
    const auto refused = run(in_unit(groups->folder("crowded.service").string(), python(address, {"crowds", "2", "48"})));
    INFO(refused.output);
    CHECK(refused.has("org.hwvault.Error.Busy"));
    CHECK(refused.has("96 calls on the bus"));
    CHECK(serving.service.wait_for("Revoke", 96));
    CHECK(serving.service.calls_of("Revoke") == 96);
    CHECK(run(describe(address)).status == 0);
    serving.service.release();
}

TEST_CASE("A caller that leaves before its answer costs nobody anything") {
    if (!have_python_dbus() || !have("busctl")) return;
    Serving serving;
    for (int i = 0; i < 5; ++i) CHECK(run(python(serving.bus.address(), {"leave"})).status == 0);
    serving.service.release();
    CHECK(run(describe(serving.bus.address())).status == 0);
    serving.door.reset();
    CHECK(serving.strand.drains());
}

}  // namespace
}  // namespace hwvault::doors::dbus
