// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/doctor.h"

#include <algorithm>

#include "tests/catch.h"

namespace hwvault::cli {
namespace {

Configuration good_configuration() {
    Configuration configuration;
    configuration.hardware_kind = "pkcs11";
    configuration.module = "/dev/null";
    configuration.serial = "c0ffee";
    return configuration;
}

Report report_with(const std::string& key, const std::string& value) {
    Report report{{"state", "serving"},          {"version", "0.1.0"},
                  {"hardware_state", "available"}, {"hardware_model", "SoftHSM v2"},
                  {"hardware_serial", "c0ffee"}, {"rollback_protection", "counter"},
                  {"hardware_kind", "pkcs11"},   {"hardware_policy", "a PIN"},
                  {"epoch_pending", "0"},        {"memory_lock", "memfd_secret"}, {"reload_error", ""},
                  {"recovery_pending", "0"},     {"audit_error", ""},             {"store_error", ""}};
    for (auto& line : report) {
        if (line.first == key) line.second = value;
    }
    return report;
}

Finding find(const std::vector<Finding>& findings, std::string_view what) {
    const auto found = std::find_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.what == what; });
    REQUIRE(found != findings.end());
    return *found;
}

Finding of_vault(const std::string& key, const std::string& value, std::string_view what) {
    return find(examine_vault(report_with(key, value), good_configuration()), what);
}

}  // namespace

TEST_CASE("every finding that is not good says what to do") {
    for (const char* const state : {"HardwareLocked", "NotInitialised", "HardwareUnavailable", ""}) {
        const Finding finding = of_vault("hardware_state", state, "device");
        CHECK(finding.verdict == Verdict::kBad);
        CHECK_FALSE(finding.next.empty());
    }
    CHECK(of_vault("epoch_pending", "3", "revocations").verdict == Verdict::kNote);
    CHECK(of_vault("recovery_pending", "3", "recovery").verdict == Verdict::kNote);
    CHECK(of_vault("recovery_pending", "0", "recovery").verdict == Verdict::kGood);
    const Finding none = of_vault("recovery_pending", "", "recovery");
    CHECK(none.verdict == Verdict::kNote);
    CHECK(none.next.find("[recovery]") != std::string::npos);
    const auto unopened = examine_vault(report_with("state", "rolled-back"), good_configuration());
    CHECK(std::ranges::none_of(unopened, [](const Finding& one) { return one.what == "recovery"; }));
    CHECK(of_vault("memory_lock", "unlocked", "memory").verdict == Verdict::kNote);
    CHECK(of_vault("reload_error", "10.toml, line 3, column 1: No.", "rules").verdict == Verdict::kBad);
    CHECK(of_vault("reload_error", "", "rules").verdict == Verdict::kGood);
    CHECK(of_vault("audit_error", "It was cut.", "audit").verdict == Verdict::kBad);
    CHECK(of_vault("audit_error", "It was cut.", "audit").next.find("hwvault audit verify --signing-key PEM") != std::string::npos);
    CHECK(of_vault("audit_error", "", "audit").verdict == Verdict::kGood);
    CHECK(of_vault("store_error", "It is full.", "disk").verdict == Verdict::kBad);
    CHECK(of_vault("store_error", "", "disk").verdict == Verdict::kGood);
    CHECK(of_vault("rollback_protection", "none", "old disks").verdict == Verdict::kNote);
    CHECK(of_vault("hardware_serial", "other", "same token").verdict == Verdict::kBad);
}

TEST_CASE("a locked PIN is told apart from a missing device") {
    CHECK(of_vault("hardware_state", "HardwareLocked", "device").next.find("PIN") != std::string::npos);
    CHECK(of_vault("hardware_state", "HardwareUnavailable", "device").next.find("Plug") != std::string::npos);
}

TEST_CASE("keys are not spoken of while the device has not been seen") {
    const auto findings = examine_vault(report_with("hardware_state", "HardwareUnavailable"), good_configuration());
    CHECK(std::none_of(findings.begin(), findings.end(), [](const Finding& f) { return f.what == "root key"; }));
}

TEST_CASE("what the keys are bound to is said, and what an update asks for") {
    CHECK(of_vault("hardware_policy", "none", "bound to").verdict == Verdict::kNote);
    CHECK(of_vault("hardware_policy", "a PIN", "bound to").verdict == Verdict::kGood);
    const Finding bound = of_vault("hardware_policy", "PCR 7 and a PIN", "bound to");
    CHECK(bound.found.find("PCR 7 and a PIN") != std::string::npos);
    CHECK(bound.next.find("hwvault reseal --expect") != std::string::npos);
}

TEST_CASE("a TPM that is not there, or has no resource manager, is found in the configuration") {
    Configuration configuration;
    configuration.hardware_kind = "tpm";
    configuration.tcti = "device:/nonexistent";
    CHECK(find(examine_configuration("f", configuration), "way to the TPM").verdict == Verdict::kBad);
    configuration.tcti = "swtpm:path=/x";
    CHECK(find(examine_configuration("f", configuration), "way to the TPM").verdict == Verdict::kGood);
    configuration.pcrs = {7, 11};
    CHECK(find(examine_configuration("f", configuration), "pcrs").found.find("7, 11") != std::string::npos);
    CHECK(find(examine_configuration("f", configuration), "pin").verdict == Verdict::kGood);
    configuration.hardware_kind = "none";
    CHECK(find(examine_configuration("f", configuration), "hardware").verdict == Verdict::kBad);
}

TEST_CASE("a TPM's keys are said to be a TPM's, and its lockout is not only the PIN's") {
    Report report = report_with("hardware_kind", "tpm");
    CHECK(find(examine_vault(report, good_configuration()), "root key").found.find("fixed to this TPM") != std::string::npos);
    for (auto& line : report) {
        if (line.first == "hardware_state") line.second = "HardwareLocked";
    }
    CHECK(find(examine_vault(report, good_configuration()), "device").next.find("a PCR moved") != std::string::npos);
}

TEST_CASE("a configuration without a serial says how to find it") {
    Configuration configuration = good_configuration();
    configuration.serial.clear();
    const Finding finding = find(examine_configuration("f", configuration), "token");
    CHECK(finding.verdict == Verdict::kBad);
    CHECK(finding.next.find("pkcs11-tool --module /dev/null") != std::string::npos);
}

TEST_CASE("a configuration that cannot be parsed is bad, one that is not there a note") {
    const Failure wrong{HWVAULT_ERROR_INVALID_ARGUMENT, "f, line 3: no."};
    CHECK(examine_configuration("f", wrong).front().verdict == Verdict::kBad);
    const Failure missing{HWVAULT_ERROR_NOT_FOUND, "none."};
    CHECK(examine_configuration("f", missing).front().verdict == Verdict::kNote);
}

}  // namespace hwvault::cli
