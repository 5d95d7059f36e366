// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `hwvault doctor` says of the machine: systemd's units, the users, the kernel.
#include <array>
#include <charconv>
#include <string_view>

#include <grp.h>
#include <pwd.h>
#include <sys/utsname.h>

#include "cli/doctor.h"
#include "cli/output.h"

namespace hwvault::cli {
namespace {

constexpr std::array kUsers{"hwvault", "hwvault-hardware"};
constexpr std::array kGroups{"hwvault-admin", "hwvault-verify"};

Finding examine_socket(const UnitState& socket) {
    const bool enabled = socket.file == "enabled" || socket.file == "enabled-runtime";
    if (enabled && socket.is_up()) return {"socket", Verdict::kGood, "hwvaultd.socket is enabled, and is there.", ""};
    return {"socket", Verdict::kNote, std::string("hwvaultd.socket is ") + (enabled ? "enabled" : "not enabled") + " and " +
                (socket.is_up() ? "there." : "not there: a vault is reached on it."),
            "`systemctl enable --now hwvaultd.socket`."};
}

Finding examine_credential_socket(const UnitState& socket) {
    if (socket.is_up()) return {"credentials", Verdict::kGood, "Units are handed credentials by hwvaultd-credential.socket.", ""};
    return {"credentials", Verdict::kNote, "hwvaultd-credential.socket is not there, so no unit is handed a credential.",
            "`systemctl enable --now hwvaultd-credential.socket`."};
}

// hwvaultd.service wants it, so it comes with that; until then nobody is refused.
Finding examine_notice_socket(const UnitState& socket, const UnitState& daemon) {
    if (socket.is_up()) {
        return {"reasons", Verdict::kGood, "A unit that is refused its credential has the reason in its journal, by hwvault-notice.socket.", ""};
    }
    if (socket.load == "loaded" && !daemon.is_up()) return {"reasons", Verdict::kGood, "hwvault-notice.socket is started with hwvaultd.", ""};
    std::string next = "`systemctl start hwvault-notice.socket`.";
    if (socket.load == "masked") next = "`systemctl unmask hwvault-notice.socket`, then " + next;
    if (socket.load == "not-found") next = "Install the package hwvault as a whole.";
    return {"reasons", Verdict::kNote, "hwvault-notice.socket is not there" + (socket.load == "loaded" ? "" : " (" + socket.load + ")") +
                ": why a unit was refused its credential stands in `journalctl -u hwvaultd` alone, not in the unit's journal.",
            next};
}

Finding examine_names(const SystemFacts& facts) {
    if (facts.missing_names.empty()) {
        return {"users", Verdict::kGood, "hwvaultd and hwvault-hardware have users of their own, and the groups are there.", ""};
    }
    return {"users", Verdict::kBad, "These users or groups are not there: " + joined(facts.missing_names) + ".",
            "`systemd-sysusers`, which reads /usr/lib/sysusers.d/hwvault.conf."};
}

// The two numbers that a release begins with; zeros where it does not.
std::pair<unsigned, unsigned> version_of(std::string_view release) {
    unsigned major = 0;
    unsigned minor = 0;
    const char* const end = release.data() + release.size();
    const auto first = std::from_chars(release.data(), end, major);
    if (first.ptr != end && *first.ptr == '.') std::from_chars(first.ptr + 1, end, minor);
    return {major, minor};
}

Finding examine_kernel(const std::string& release) {
    constexpr std::pair kSocketPidfd{6U, 5U};
    if (version_of(release) >= kSocketPidfd) return {"kernel", Verdict::kGood, "Linux " + release + " says for certain which unit calls.", ""};
    return {"kernel", Verdict::kNote, "Linux " + release + " cannot say for certain which unit calls: nobody is a `unit:`, and no unit is "
                                          "handed a credential. That came with Linux 6.5.",
            "Boot a newer kernel; on Debian 12 that of bookworm-backports."};
}

// Masked is what a stop that is to last does, and what a command that was killed in the middle leaves.
Finding examine_daemon(const UnitState& daemon) {
    if (daemon.load != "masked") {
        return {"units", Verdict::kGood, "systemd has our units; hwvaultd.service is " + daemon.active + ".", ""};
    }
    return {"units", Verdict::kNote, "hwvaultd.service is masked, and " + daemon.active + ": nothing starts it.",
            "`systemctl unmask --runtime hwvaultd.service` (without --runtime if it was masked for good), unless a backup or "
            "`hwvault recover` is at work."};
}

}  // namespace

std::vector<Finding> examine_system(const Answer<SystemFacts>& facts) {
    if (!facts) return {{"units", Verdict::kNote, facts.error().message, ""}};
    std::vector<Finding> findings;
    if (!facts->systemd) {
        findings.push_back({"units", Verdict::kNote, "Process 1 is not systemd: hwvaultd and hwvault-hardware are started by hand.", ""});
    } else if (facts->daemon.load != "loaded" && facts->daemon.load != "masked") {
        findings.push_back({"units", Verdict::kNote, "systemd has no hwvaultd.service (" + facts->daemon.load + ").",
                            "Install the package hwvault, unless hwvaultd is started by hand."});
    } else {
        findings.push_back(examine_daemon(facts->daemon));
        findings.push_back(examine_socket(facts->socket));
        findings.push_back(examine_credential_socket(facts->credential_socket));
        findings.push_back(examine_notice_socket(facts->notice_socket, facts->daemon));
        findings.push_back(examine_names(*facts));
    }
    findings.push_back(examine_kernel(facts->kernel));
    return findings;
}

Answer<SystemFacts> system_facts() {
    SystemFacts facts;
    facts.systemd = systemd_runs();
    utsname names{};
    if (::uname(&names) == 0) facts.kernel = names.release;
    for (const char* const user : kUsers) {
        if (::getpwnam(user) == nullptr) facts.missing_names.emplace_back(user);
    }
    for (const char* const group : kGroups) {
        if (::getgrnam(group) == nullptr) facts.missing_names.emplace_back(group);
    }
    if (!facts.systemd) return facts;
    HWVAULT_TRY(const std::vector<UnitState> states, unit_states({kDaemonService, kDaemonSocket, kCredentialSocketUnit, kNoticeSocketUnit}));
    facts.daemon = states[0];
    facts.socket = states[1];
    facts.credential_socket = states[2];
    facts.notice_socket = states[3];
    return facts;
}

}  // namespace hwvault::cli
