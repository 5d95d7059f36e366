// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/doctor.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/output.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

std::string value_of(const Report& report, std::string_view key) {
    const auto line = std::find_if(report.begin(), report.end(), [key](const auto& pair) { return pair.first == key; });
    return line == report.end() ? std::string() : line->second;
}

bool is_there(const std::filesystem::path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
}

Finding examine_module(const Configuration& configuration) {
    const std::string& module = configuration.module;
    if (module.empty()) {
        return {"module", Verdict::kBad, "[hardware] names no module.",
                "Set `module` to your token's PKCS#11 module; `p11-kit list-modules` shows those that are installed."};
    }
    if (!is_there(module)) {
        return {"module", Verdict::kBad, module + " is not there.",
                "Install the package of your token, for SoftHSM2 `apt install softhsm2`, or correct `module`."};
    }
    return {"module", Verdict::kGood, module + " is there.", ""};
}

Finding examine_serial(const Configuration& configuration) {
    if (!configuration.serial.empty()) {
        return {"token", Verdict::kGood, "Only the token with serial " + configuration.serial + " is used.", ""};
    }
    const std::string module = configuration.module.empty() ? "MODULE" : configuration.module;
    return {"token", Verdict::kBad, "[hardware] names no serial, so no token is used.",
            "Run `pkcs11-tool --module " + module + " --list-token-slots` and set `serial`."};
}

Finding examine_pin(const Configuration& configuration) {
    const std::string& name = configuration.pin_credential;
    if (name.empty()) {
        return {"pin", Verdict::kNote, "[hardware] names no pin_credential; hwvault-hardware needs --pin-file then.",
                "Set `pin_credential`, unless hwvault-hardware is started with --pin-file."};
    }
    if (::access("/etc/credstore", R_OK) != 0 && ::geteuid() != 0) {
        return {"pin", Verdict::kNote, "The PIN is the credential " + name + "; only root can see whether it is there.",
                "Run `sudo hwvault doctor`."};
    }
    for (const char* const folder : {"/etc/credstore.encrypted/", "/etc/credstore/"}) {
        if (is_there(folder + name)) return {"pin", Verdict::kGood, "The PIN is in " + (folder + name) + ".", ""};
    }
    return {"pin", Verdict::kNote, "The credential " + name + " is in neither of systemd's credential stores.",
            "Unless the unit has it from elsewhere: `systemd-creds encrypt --name=" + name +
                " - /etc/credstore.encrypted/" + name + "`, and type the PIN."};
}

std::string device_of(const Report& report) {
    return value_of(report, "hardware_model") + ", serial " + value_of(report, "hardware_serial");
}

// What to do about a device that is not available, by the word that Status gives.
std::string remedy_for(const std::string& state) {
    if (state == "HardwareLocked") {
        return "The PIN was rejected, or may have been, and is not tried again. Put the right PIN into the credential, "
               "and restart hwvault-hardware.";
    }
    if (state == "RolledBack") {
        return "The device's counter was set back or is gone, which takes its PIN. Read the message of `hwvault status`.";
    }
    if (state == "NotInitialised") return "Run `sudo hwvault init`.";
    return "Plug the device in, and look at `journalctl -u hwvault-hardware`.";
}

Finding examine_device(const Report& report) {
    const std::string state = value_of(report, "hardware_state");
    if (state == "available") return {"device", Verdict::kGood, device_of(report) + ", is available.", ""};
    return {"device", Verdict::kBad, "The device is not available: " + (state.empty() ? "not seen yet" : state) + ".",
            remedy_for(state)};
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
    const std::string shown = module.empty() ? "" : " `pkcs11-tool --module " + module + " --login --list-objects` lists it.";
    return {{"root key", Verdict::kGood,
             "hwvault-root, for HMAC-SHA-256, " + home +
                 "; held at each start to be sensitive, never extractable and made there." + shown,
             ""},
            {"signing key", Verdict::kGood, "hwvault-signing, for ECDSA P-256, " + home + "; held to the same.", ""}};
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

std::vector<Finding> examine_configuration(const std::string& file, const Answer<Configuration>& configuration) {
    if (!configuration) {
        // A development vault has its configuration elsewhere, and another user may not read it: no reason to stop.
        const bool wrong = configuration.error().code == HWVAULT_ERROR_INVALID_ARGUMENT;
        return {{"configuration", wrong ? Verdict::kBad : Verdict::kNote, configuration.error().message,
                 wrong ? "Correct the file." : "Name another with --config, if there is one."}};
    }
    std::vector<Finding> findings{{"configuration", Verdict::kGood, file + " can be read.", ""}};
    if (configuration->hardware_kind != "pkcs11") {
        findings.push_back({"hardware", Verdict::kBad, "[hardware] kind is not \"pkcs11\".", "Set it in " + file + "."});
        return findings;
    }
    findings.push_back(examine_module(*configuration));
    findings.push_back(examine_serial(*configuration));
    findings.push_back(examine_pin(*configuration));
    return findings;
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
        findings.push_back(examine_rollback(*report));
    }
    findings.push_back(examine_pending(*report));
    findings.push_back(examine_memory(*report));
    return findings;
}

void add_doctor_command(CLI::App& app, Session& session) {
    CLI::App* const command = app.add_subcommand("doctor", "Look for what is wrong, and say what to type next");
    command->add_option("--config", session.settings.configuration, "Configuration file")->capture_default_str();
    command->callback([&session] { session.work = [&session] { return doctor(session); }; });
}

}  // namespace hwvault::cli
