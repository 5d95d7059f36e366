// SPDX-License-Identifier: LGPL-2.1-or-later
#include <algorithm>

#include "cli/doctor.h"
#include "tests/catch.h"

namespace hwvault::cli {
namespace {

SystemFacts well() {
    SystemFacts facts;
    facts.systemd = true;
    facts.daemon = {"hwvaultd.service", "loaded", "active", "disabled", false};
    facts.socket = {"hwvaultd.socket", "loaded", "active", "enabled", false};
    facts.credential_socket = {"hwvaultd-credential.socket", "loaded", "active", "enabled", false};
    facts.notice_socket = {"hwvault-notice.socket", "loaded", "active", "static", false};
    facts.kernel = "6.5.0-1-amd64";
    return facts;
}

Finding finding(const SystemFacts& facts, const std::string& what) {
    const auto findings = examine_system(facts);
    const auto found = std::ranges::find(findings, what, &Finding::what);
    REQUIRE(found != findings.end());
    return *found;
}

}  // namespace

TEST_CASE("an installed machine is well") {
    for (const Finding& one : examine_system(well())) CHECK(one.verdict == Verdict::kGood);
    CHECK(examine_system(well()).size() == 6);
}

TEST_CASE("a machine without systemd, or without our units, is noted and no more") {
    SystemFacts facts = well();
    facts.systemd = false;
    CHECK(finding(facts, "units").verdict == Verdict::kNote);
    facts = well();
    facts.daemon.load = "not-found";
    CHECK(finding(facts, "units").verdict == Verdict::kNote);
}

TEST_CASE("a daemon that is masked is told with what to type, and its sockets are looked at") {
    SystemFacts facts = well();
    facts.daemon.load = "masked";
    CHECK(finding(facts, "units").verdict == Verdict::kNote);
    CHECK(finding(facts, "units").next.find("unmask --runtime hwvaultd.service") != std::string::npos);
    CHECK(finding(facts, "socket").verdict == Verdict::kGood);
}

TEST_CASE("a socket that is not enabled or not there is told with what to type") {
    SystemFacts facts = well();
    facts.socket.file = "disabled";
    CHECK(finding(facts, "socket").next.find("enable --now hwvaultd.socket") != std::string::npos);
    facts = well();
    facts.socket.active = "inactive";
    CHECK(finding(facts, "socket").verdict == Verdict::kNote);
    facts.credential_socket.active = "failed";
    CHECK(finding(facts, "credentials").verdict == Verdict::kNote);
}

TEST_CASE("a refused unit whose reason would not reach its journal is told") {
    SystemFacts facts = well();
    facts.notice_socket.active = "failed";
    CHECK(finding(facts, "reasons").verdict == Verdict::kNote);
    CHECK(finding(facts, "reasons").next == "`systemctl start hwvault-notice.socket`.");
    facts.notice_socket = {"hwvault-notice.socket", "masked", "inactive", "masked", false};
    CHECK(finding(facts, "reasons").next.find("unmask hwvault-notice.socket") != std::string::npos);
    facts.notice_socket = {"hwvault-notice.socket", "loaded", "inactive", "static", false};
    CHECK(finding(facts, "reasons").verdict == Verdict::kNote);
    facts.daemon.active = "inactive";  // which starts it
    CHECK(finding(facts, "reasons").verdict == Verdict::kGood);
}

TEST_CASE("users that are missing are bad, and named") {
    SystemFacts facts = well();
    facts.missing_names = {"hwvault", "hwvault-admin"};
    CHECK(finding(facts, "users").verdict == Verdict::kBad);
    CHECK(finding(facts, "users").found.find("hwvault, hwvault-admin") != std::string::npos);
}

TEST_CASE("a kernel older than Linux 6.5 is told") {
    SystemFacts facts = well();
    for (const char* const old : {"6.4.9", "5.10.0-30-amd64", "6", ""}) {
        facts.kernel = old;
        CHECK(finding(facts, "kernel").verdict == Verdict::kNote);
    }
    for (const char* const recent : {"6.5", "6.12.38+deb13-amd64", "7.0.1"}) {
        facts.kernel = recent;
        CHECK(finding(facts, "kernel").verdict == Verdict::kGood);
    }
}

}  // namespace hwvault::cli
