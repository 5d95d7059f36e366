// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What is said of units that were reloaded or restarted, and what the audit trail tells of them.
#include "cli/unit_reload.h"

#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "daemon/audit/entry.h"
#include "daemon/audit/line.h"
#include "tests/catch.h"
#include "tests/os/folder.h"

namespace hwvault::cli {
namespace {

const UnitReloadAsked kReload{true, false, "30s"};
const UnitReloadAsked kRestart{false, true, "30s"};

std::string line_for(const std::string& unit, std::uint64_t generation, vault::Verb verb = vault::Verb::kRetrieve) {
    vault::Event event;
    event.time = 1;
    event.verb = verb;
    event.actor.unit = unit;
    event.account = "app:shared";
    event.name = "ci";
    event.generation = generation;
    event.decided_by = "rule";
    return audit::to_line(vault::EventLink{generation, audit::encode(event), {}}) + "\n";
}

void append(const std::filesystem::path& file, const std::string& text) {
    std::ofstream(file, std::ios::app | std::ios::binary) << text;
}

std::uint64_t seen(const Handovers& handovers, const std::string& unit = "billing.service") {
    return handovers.latest(unit, "app:shared", "ci").generation;
}

}  // namespace

TEST_CASE("all have it when each that was up has it") {
    const UnitOutcome has{"a.service", true, true, true, 4, "active"};
    const UnitOutcome idle{"b.service", false, true, false, 0, "inactive"};
    const UnitOutcome has_not{"c.service", true, false, false, 3, "active"};
    CHECK(all_have_it({}));
    CHECK(all_have_it({has, idle}));
    CHECK_FALSE(all_have_it({has, idle, has_not}));
    CHECK(report_of({has}, kReload).find("generation 4") != std::string::npos);
    CHECK(report_of({has}, kReload).find("--restart-units") == std::string::npos);
    CHECK(report_of({has_not}, kReload).find("not picked up: cannot reload") != std::string::npos);
    CHECK(report_of({has_not}, kReload).find("--restart-units") != std::string::npos);
    CHECK(report_of({has_not}, kRestart).find("journalctl -u") != std::string::npos);
    CHECK(report_of({idle}, kRestart).find("next start") != std::string::npos);
    CHECK(report_of({}, kRestart) == "No unit loads this token.\n");
}

TEST_CASE("a handover is a Retrieve by a unit, and the latest one counts") {
    Handovers handovers;
    for (const std::string& line : {line_for("billing.service", 3), line_for("billing.service", 4), line_for("billing.service", 5, vault::Verb::kRotate),
                                    line_for("", 6), std::string("no line\n")}) {
        handovers.take(std::string_view(line).substr(0, line.size() - 1));
    }
    CHECK(seen(handovers) == 4);
    CHECK(seen(handovers, "web.service") == 0);
    CHECK(handovers.latest("billing.service", "app:shared", "other").generation == 0);
}

TEST_CASE("what was in the file before is not followed, and what is half written is waited for") {
    const os::TestFolder folder;
    const auto file = folder.path() / "audit.jsonl";
    append(file, line_for("billing.service", 1));
    auto follower = AuditFollower::at_end(folder.path());
    REQUIRE(follower.has_value());
    Handovers handovers;
    REQUIRE(follower->read(handovers).has_value());
    CHECK(seen(handovers) == 0);
    const std::string line = line_for("billing.service", 2);
    append(file, line.substr(0, line.size() / 2));
    REQUIRE(follower->read(handovers).has_value());
    CHECK(seen(handovers) == 0);
    append(file, line.substr(line.size() / 2));
    REQUIRE(follower->read(handovers).has_value());
    CHECK(seen(handovers) == 2);
}

TEST_CASE("the file that comes after is followed too, and the end of the one before is not lost") {
    const os::TestFolder folder;
    const auto file = folder.path() / "audit.jsonl";
    auto follower = AuditFollower::at_end(folder.path());
    REQUIRE(follower.has_value());
    Handovers handovers;
    REQUIRE(follower->read(handovers).has_value());
    append(file, line_for("billing.service", 2));
    REQUIRE(follower->read(handovers).has_value());
    CHECK(seen(handovers) == 2);
    append(file, line_for("billing.service", 3));
    std::filesystem::rename(file, folder.path() / "audit-1.jsonl");
    append(file, line_for("web.service", 3));
    REQUIRE(follower->read(handovers).has_value());
    CHECK(seen(handovers) == 3);
    CHECK(seen(handovers, "web.service") == 3);
}

TEST_CASE("a folder that is not there cannot be followed") {
    const os::TestFolder folder;
    CHECK(AuditFollower::at_end(folder.path() / "none").error().code == HWVAULT_ERROR_NOT_FOUND);
}

}  // namespace hwvault::cli
