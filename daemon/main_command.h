// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the command line of hwvaultd asks for:
//
//     hwvaultd [--config FILE] | --dev DIR     serves until SIGTERM
//     hwvaultd init                            makes the store, once the device has its keys
//     hwvaultd recover --accept-rollback       takes a store that is older than the device remembers
//     hwvaultd recover --from STORE ...        makes the store out of that of a lost device
//     hwvaultd recover --new-recipient         encrypts the escrow to the recipient of hwvault.toml
//     hwvaultd recover --show-signing-key      prints the device's public signing key
#pragma once

#include <filesystem>
#include <variant>

#include <sys/types.h>
#include <unistd.h>

#include "daemon/development.h"
#include "daemon/main_recovery.h"
#include "os/run.h"

namespace hwvault {

struct Command {
    std::filesystem::path configuration{"/etc/hwvault/hwvault.toml"};
    std::filesystem::path development;  // --dev; empty: installed
    Simulated simulated{Simulated::kAsBefore};
    std::filesystem::path hardware_program{os::own_folder() / "hwvault-hardware"};
    uid_t who{::getuid()};  // typed it
    bool initialise{false};
    bool accept_rollback{false};
    bool new_recipient{false};
    bool show_signing_key{false};
    RecoveryFiles recovery;  // with --from
    bool revoke_all{false};

    [[nodiscard]] bool serves() const {
        return !initialise && !accept_rollback && !new_recipient && !show_signing_key && recovery.from.empty();
    }
};

using ExitStatus = int;

// The exit status where the command line itself is the end of it: 0 after --help and --version, 2 when it is wrong, which
// has been said.
std::variant<Command, ExitStatus> read_command(int argc, const char* const* argv);

}  // namespace hwvault
