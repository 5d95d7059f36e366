// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/doctor.h"

#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/output.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

std::string device_of(const Report& report) {
    return value_of(report, "hardware_model") + ", serial " + value_of(report, "hardware_serial");
}

bool is_tpm(const Report& report) {
    return value_of(report, "hardware_kind") == "tpm";
}

// What to do about a device that is not available, by the word that Status gives.
std::string remedy_for(const std::string& state, const Report& report) {
    if (state == "HardwareLocked" && is_tpm(report)) {
        return "A PIN was rejected, a PCR moved, or the TPM is locked out: the message of `hwvault status` says which, and "
               "what to do.";
    }
    if (state == "HardwareLocked") {
        return "The PIN was rejected, or may have been, and is not tried again. Put the right PIN into the credential, "
               "and restart hwvault-hardware.";
    }
    if (state == "RolledBack") {
        return "The device's counter was set back, or is gone or another. Read the message of `hwvault status`.";
    }
    if (state == "NotInitialised") return "`sudo hwvault init`; where systemd does not run it, stop hwvaultd before and start it afterwards.";
    if (is_tpm(report)) return "Check that the TPM is there (`ls /dev/tpm*`), and look at `journalctl -u hwvault-hardware`.";
    return "Plug the device in, and look at `journalctl -u hwvault-hardware`.";
}

Finding examine_device(const Report& report) {
    const std::string state = value_of(report, "hardware_state");
    if (state == "available") return {"device", Verdict::kGood, device_of(report) + ", is available.", ""};
    return {"device", Verdict::kBad, "The device is not available: " + (state.empty() ? "not seen yet" : state) + ".",
            remedy_for(state, report)};
}

Finding examine_identity(const Report& report, const Configuration& configuration) {
    const std::string serial = value_of(report, "hardware_serial");
    if (serial == configuration.serial) return {"same token", Verdict::kGood, "The vault uses the token that is configured.", ""};
    return {"same token", Verdict::kBad,
            "The vault uses the token " + serial + ", the configuration says " + configuration.serial + ".",
            "Restart hwvaultd and hwvault-hardware, if the configuration was meant to change."};
}

std::vector<Finding> examine_keys(const Report& report, const std::string& module) {
    const std::string home = "lives in " + device_of(report);
    const std::string held = is_tpm(report) ? "fixed to this TPM and born inside it." : "sensitive, never extractable and made there.";
    std::string shown;
    if (is_tpm(report)) shown = " `tpm2_print -t TPM2B_PUBLIC` shows it, of root.pub in the folder of hwvault-hardware.";
    if (!is_tpm(report) && !module.empty()) shown = " `pkcs11-tool --module " + module + " --login --list-objects` lists it.";
    return {{"root key", Verdict::kGood,
             "hwvault-root, for HMAC-SHA-256, " + home + "; held at each start to be " + held + shown, ""},
            {"signing key", Verdict::kGood, "hwvault-signing, for ECDSA P-256, " + home + "; held to the same.", ""}};
}

// What besides the device itself a thief of the machine would need.
Finding examine_policy(const Report& report) {
    const std::string policy = value_of(report, "hardware_policy");
    if (policy.empty() || policy == "none") {
        return {"bound to", Verdict::kNote, "The keys open in this device without a PIN and whatever was started.",
                "That is a choice. With a TPM, `pcrs` or a PIN and `hwvault reseal` change it."};
    }
    if (policy.find("PCR") == std::string::npos) {
        return {"bound to", Verdict::kGood, "The keys open in this device with " + policy + ".", ""};
    }
    return {"bound to", Verdict::kGood, "The keys open in this device with " + policy + ", as they are now.",
            "Before an update of firmware, boot loader or kernel: `hwvault reseal --expect PCR=VALUE`."};
}

Finding examine_rollback(const Report& report) {
    const std::string protection = value_of(report, "rollback_protection");
    if (protection == "counter") {
        return {"old disks", Verdict::kGood, "The device counts revocations; an old copy of the disk is refused.", ""};
    }
    if (protection == "pin-writable") {
        return {"old disks", Verdict::kGood,
                "The device remembers the last revocation, in an object that whoever has the PIN can write.", ""};
    }
    return {"old disks", Verdict::kNote, "The device remembers nothing: an old copy of the disk would be believed.",
            "Keep copies of the store away from others, or use a token that stores data objects."};
}

Finding examine_pending(const Report& report) {
    const std::string pending = value_of(report, "epoch_pending");
    if (pending.empty() || pending == "0") return {"revocations", Verdict::kGood, "The device knows of every revocation.", ""};
    return {"revocations", Verdict::kNote, pending + " revocations are durable, but not yet known to the device.",
            "They will be when the device answers; do not put an old disk back until then."};
}

Finding examine_recovery(const Report& report) {
    const std::string pending = value_of(report, "recovery_pending");
    if (pending.empty()) {
        return {"recovery", Verdict::kNote, "There is none: a device that is lost takes every token with it.",
                "Set [recovery] recipient, run `hwvault recover --new-recipient`, and keep the signing key that it prints."};
    }
    if (pending == "0") return {"recovery", Verdict::kGood, "Every token can be recovered with the recovery key.", ""};
    return {"recovery", Verdict::kNote, "Up to " + pending + " changes are not yet signed by the device.",
            "They will be within seconds, or when it answers; until then recovery does not bring back what they added."};
}

Finding examine_rules(const Report& report) {
    const std::string trouble = value_of(report, "reload_error");
    if (trouble.empty()) return {"rules", Verdict::kGood, "The configuration and the rules that hwvaultd read last are in force.", ""};
    return {"rules", Verdict::kBad, "What hwvaultd read last was refused, and what it had before is in force. " + trouble,
            "Mend the file, have `hwvault policy check` look at the rules, then `systemctl reload hwvaultd`."};
}

Finding examine_trail(const Report& report) {
    const std::string trouble = value_of(report, "audit_error");
    if (trouble.empty()) return {"audit", Verdict::kGood, "The audit files are written.", ""};
    return {"audit", Verdict::kBad, trouble, "Run `hwvault audit verify --signing-key PEM`, and see to the room in [audit] folder of hwvault.toml. Files that were changed lie "
            "there as *.set-aside; it names them."};
}

Finding examine_disk(const Report& report) {
    const std::string trouble = value_of(report, "store_error");
    if (trouble.empty()) return {"disk", Verdict::kGood, "The store's disk has room.", ""};
    return {"disk", Verdict::kBad, trouble, "Make room on the disk of [vault] state."};
}

Finding examine_memory(const Report& report) {
    const std::string lock = value_of(report, "memory_lock");
    if (lock != "unlocked") return {"memory", Verdict::kGood, "Secrets are kept in locked memory (" + lock + ").", ""};
    return {"memory", Verdict::kNote, "Not all secrets could be locked into memory, so a swap may see them.",
            "Raise LimitMEMLOCK= of hwvaultd."};
}

json::array to_json(const std::vector<Finding>& findings) {
    json::array array;
    for (const Finding& finding : findings) {
        array.push_back(json::object{{"what", finding.what},
                                     {"verdict", std::string(word(finding.verdict))},
                                     {"found", finding.found},
                                     {"next", finding.next}});
    }
    return array;
}

std::string to_text(const std::vector<Finding>& findings) {
    std::vector<std::vector<std::string>> rows;
    for (const Finding& finding : findings) {
        rows.push_back({std::string(word(finding.verdict)), finding.what, finding.found});
        if (!finding.next.empty()) rows.push_back({"", "", "-> " + finding.next});
    }
    return table(rows);
}

Answer<Exit> doctor(Session& session) {
    const auto configuration = read_configuration(session.settings.configuration);
    std::vector<Finding> findings = examine_configuration(session.settings.configuration, configuration);
    const std::vector<Finding> of_system = examine_system(system_facts());
    findings.insert(findings.end(), of_system.begin(), of_system.end());
    const auto report = session.ask("The vault is asked how it is ...", [](Door& door) { return door.status(); });
    const std::vector<Finding> of_vault = examine_vault(report, configuration);
    findings.insert(findings.end(), of_vault.begin(), of_vault.end());
    const bool well = std::none_of(findings.begin(), findings.end(),
                                   [](const Finding& finding) { return finding.verdict == Verdict::kBad; });
    HWVAULT_CHECK(session.print(to_text(findings), json::object{{"well", well}, {"findings", to_json(findings)}}));
    return well ? kYes : kUnavailable;
}

}  // namespace

std::string_view word(Verdict verdict) {
    switch (verdict) {
        case Verdict::kGood: return "good";
        case Verdict::kNote: return "note";
        case Verdict::kBad: return "bad";
    }
    return "bad";
}

std::vector<Finding> examine_vault(const Answer<Report>& report, const Answer<Configuration>& configuration) {
    if (!report) {
        return {{"daemon", Verdict::kBad, report.error().message, "Look at `journalctl -u hwvaultd`."}};
    }
    std::vector<Finding> findings{{"daemon", Verdict::kGood, "hwvaultd " + value_of(*report, "version") + " answers.", ""}};
    const std::string state = value_of(*report, "state");
    if (state == "serving") {
        findings.push_back({"vault", Verdict::kGood, "The vault is serving.", ""});
    } else {
        findings.push_back({"vault", state == "catching-up" || state == "starting" ? Verdict::kNote : Verdict::kBad,
                            "The vault is " + state + ".", value_of(*report, "message")});
    }
    findings.push_back(examine_device(*report));
    if (findings.back().verdict == Verdict::kGood) {
        if (configuration && !configuration->serial.empty()) findings.push_back(examine_identity(*report, *configuration));
        for (Finding& key : examine_keys(*report, configuration ? configuration->module : "")) findings.push_back(std::move(key));
        findings.push_back(examine_policy(*report));
        findings.push_back(examine_rollback(*report));
    }
    if (state == "serving" || state == "catching-up") {  // else nobody knows
        findings.push_back(examine_pending(*report));
        findings.push_back(examine_recovery(*report));
        findings.push_back(examine_trail(*report));
        findings.push_back(examine_disk(*report));
    }
    findings.push_back(examine_memory(*report));
    findings.push_back(examine_rules(*report));
    return findings;
}

void add_doctor_command(CLI::App& app, Session& session) {
    CLI::App* const command = app.add_subcommand("doctor", "Look for what is wrong, and say what to type next");
    add_configuration(*command, session);
    command->callback([&session] { session.work = [&session] { return doctor(session); }; });
}

}  // namespace hwvault::cli
