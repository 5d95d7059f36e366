// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What init, recover and reseal have in common. The work is done by the daemon's and the hardware child's own programs, which
// alone may touch store and device. Where systemd has our units, it is done there: as the user whose the state is, in the
// sandbox, with the PIN that systemd hands over, and hwvaultd stands still meanwhile. With options that name other files the
// programs are run by hand, as on a machine without systemd.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "cli/session.h"

namespace hwvault::cli {

constexpr const char* kChildState = "/var/lib/hwvault-hardware";

// What the command line says.
struct Setup {
    std::string hardware_state{kChildState};
    std::string pin_file;
    std::string current_pin_file;
    std::vector<std::string> expected;
    bool no_pin{false};
    bool accept_rollback{false};
    bool new_recipient{false};
    bool show_signing_key{false};
    std::string from;
    std::string recovery_key;
    std::string signing_key;
    std::string passphrase_file;
    bool revoke_all{false};
};

// --pin-file and --hardware-state.
void add_hardware(CLI::App& command, Setup& setup);

Answer<void> require_root(const std::string& what);
// Whether the work is that of our units: systemd has them, and it is about the files that they name.
Answer<bool> is_for_systemd(const Session& session, const Setup& setup);

Answer<std::filesystem::path> find_program(const std::string& name);
// What it printed. `meanwhile`, if anything, is shown where it takes long.
Answer<std::string> run_program(const std::string& name, std::vector<std::string> arguments, const std::string& meanwhile);
// Of hwvault-hardware.
std::vector<std::string> hardware_arguments(const std::string& verb, const Session& session, const Setup& setup);

}  // namespace hwvault::cli
