// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/setup.h"

#include <optional>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "cli/service_manager.h"
#include "cli/output.h"
#include "os/run.h"

namespace hwvault::cli {

using std::filesystem::path;

void add_hardware(CLI::App& command, Setup& setup) {
    command.add_option("--pin-file", setup.pin_file, "File of mode 0600 with the device's PIN");
    command.add_option("--hardware-state", setup.hardware_state, "Folder of hwvault-hardware")->capture_default_str();
}

Answer<void> require_root(const std::string& what) {
    if (::geteuid() == 0) return {};
    return Failure{HWVAULT_ERROR_ACCESS_DENIED, what + " is for root, who owns the store. Run `sudo hwvault " + what + "`."};
}

// Beside this program, where a build leaves it, else where it is installed.
Answer<path> find_program(const std::string& name) {
    for (const path& folder : {os::own_folder(), path(HWVAULT_SBIN), path(HWVAULT_LIBEXEC)}) {
        if (::access((folder / name).c_str(), X_OK) == 0) return folder / name;
    }
    return Failure{HWVAULT_ERROR_INTERNAL, name + " is neither beside hwvault nor in " HWVAULT_SBIN " or " HWVAULT_LIBEXEC
                                                  ". Install the package hwvault as a whole."};
}

Answer<std::string> run_program(const std::string& name, std::vector<std::string> arguments, const std::string& meanwhile) {
    HWVAULT_TRY(const path program, find_program(name));
    std::optional<Progress> progress;
    if (!meanwhile.empty()) progress.emplace(meanwhile);
    HWVAULT_TRY(const std::string output, os::run({program, std::move(arguments), {}}));
    return printable_lines(output);  // a device's own words may be in it
}

std::vector<std::string> hardware_arguments(const std::string& verb, const Session& session, const Setup& setup) {
    std::vector<std::string> arguments{verb, "--config", session.settings.configuration, "--state", setup.hardware_state};
    if (!setup.pin_file.empty()) arguments.insert(arguments.end(), {"--pin-file", setup.pin_file});
    return arguments;
}

Answer<bool> is_for_systemd(const Session& session, const Setup& setup) {
    if (session.settings.configuration_is_named || setup.hardware_state != kChildState) return false;
    return runs_under_systemd();
}

}  // namespace hwvault::cli
