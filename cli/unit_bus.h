// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which services take a credential out of the vault, as systemd itself has it: drop-ins and transient units count, and
// `systemctl show` cannot say it (it prints "[unprintable]"). Asked over the system bus, which anybody may.
#pragma once

#include <string>
#include <vector>

#include "cli/door.h"

namespace hwvault::cli {

// From where LoadCredential= takes what the vault hands over.
constexpr const char* kCredentialSocket = "/run/hwvault/credential.sock";

struct VaultUnit {
    std::string name;
    std::vector<std::string> credentials;  // those of LoadCredential=ID:/run/hwvault/credential.sock

    friend bool operator==(const VaultUnit&, const VaultUnit&) = default;
};

// Every service with such a credential, loaded or not, by name; templates are told by their instances. Unreachable where
// systemd is not on the bus.
Answer<std::vector<VaultUnit>> vault_units();

}  // namespace hwvault::cli
