// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `hwvault doctor` says of the configuration and the files that it names.
#include <filesystem>
#include <string_view>
#include <system_error>

#include <unistd.h>

#include "cli/doctor.h"

namespace hwvault::cli {
namespace {

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

// The way to a TPM as far as it is a file: tpm2-tss itself is the judge of the rest.
Finding examine_tcti(const Configuration& configuration) {
    constexpr std::string_view kDevice = "device:";
    const std::string& tcti = configuration.tcti;
    const std::string file = tcti.starts_with(kDevice) ? tcti.substr(kDevice.size()) : std::string();
    if (!file.empty() && !is_there(file)) {
        return {"way to the TPM", Verdict::kBad, file + " is not there.",
                "Enable the TPM in the firmware's settings (`ls /dev/tpm*`), or correct `tcti`."};
    }
    if (file == "/dev/tpm0") {
        return {"way to the TPM", Verdict::kNote, "The TPM is used without a resource manager: no other program can.",
                "Set tcti = \"device:/dev/tpmrm0\"."};
    }
    return {"way to the TPM", Verdict::kGood, "The TPM is reached by " + tcti + ".", ""};
}

Finding examine_pcrs(const Configuration& configuration) {
    if (configuration.pcrs.empty()) return {"pcrs", Verdict::kGood, "No PCR is asked for, so no update can lock you out.", ""};
    std::string numbers;
    for (const unsigned pcr : configuration.pcrs) numbers += (numbers.empty() ? "" : ", ") + std::to_string(pcr);
    return {"pcrs", Verdict::kNote, "`init` and `reseal` bind the keys to PCR " + numbers + ".",
            "`hwvault reseal` binds them to what these are now; run it after a change here."};
}

Finding examine_pin(const Configuration& configuration) {
    const std::string& name = configuration.pin_credential;
    if (name.empty() && configuration.hardware_kind == "tpm") {
        return {"pin", Verdict::kGood, "[hardware] names no pin_credential; a TPM needs none, unless its keys were bound to a PIN.", ""};
    }
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

}  // namespace

std::vector<Finding> examine_configuration(const std::string& file, const Answer<Configuration>& configuration) {
    if (!configuration) {
        // A development vault has its configuration elsewhere, and another user may not read it: no reason to stop.
        const bool wrong = configuration.error().code == HWVAULT_ERROR_INVALID_ARGUMENT;
        return {{"configuration", wrong ? Verdict::kBad : Verdict::kNote, configuration.error().message,
                 wrong ? "Correct the file." : "Name another with --config, if there is one."}};
    }
    std::vector<Finding> findings{{"configuration", Verdict::kGood, file + " can be read.", ""}};
    if (configuration->hardware_kind == "pkcs11") {
        findings.push_back(examine_module(*configuration));
        findings.push_back(examine_serial(*configuration));
    } else if (configuration->hardware_kind == "tpm") {
        findings.push_back(examine_tcti(*configuration));
        findings.push_back(examine_pcrs(*configuration));
    } else {
        findings.push_back({"hardware", Verdict::kBad, "[hardware] kind is neither \"pkcs11\" nor \"tpm\".",
                            "Set it in " + file + "."});
        return findings;
    }
    findings.push_back(examine_pin(*configuration));
    return findings;
}

}  // namespace hwvault::cli
