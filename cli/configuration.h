// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the command reads of hwvault.toml: enough for `units`, `doctor`, `policy` and `audit`. The daemon and the hardware child read
// their own parts strictly and are the judges of them; here a wrong type reads as "not there".
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cli/door.h"
#include "cli/session.h"

namespace hwvault::cli {

constexpr const char* kPolicyFolder = "/etc/hwvault/policy.d";  // where [vault] names none
constexpr const char* kAuditFolder = "/var/log/hwvault";        // where [audit] names none

// [credential."UNIT"."CREDENTIAL"]: which token systemd hands to a unit under which name.
struct UnitCredential {
    std::string unit;
    std::string credential;
    std::string account;  // the unit's own, "unit:UNIT", where the table names none
    std::string name;     // `default` where the table names none
};

struct Configuration {
    std::string policy;  // the folder of rules
    std::string audit_folder;
    std::string hardware_kind;
    std::string module;  // kind "pkcs11": this and the next
    std::string serial;
    std::string tcti;    // kind "tpm": this and the next
    std::vector<unsigned> pcrs;
    std::string pin_credential;
    std::string anti_rollback;
    std::vector<UnitCredential> units;  // by unit and credential
};

// NotFound, AccessDenied, or InvalidArgument with file, line and what is wrong.
Answer<Configuration> read_configuration(const std::filesystem::path& file);
// For what does without: one that is not there, or not for the caller's eyes, is as an empty one, unless it was named.
Answer<Configuration> read_configuration_if_any(const Settings& settings);

}  // namespace hwvault::cli
