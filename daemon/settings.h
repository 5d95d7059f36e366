// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What hwvaultd reads of hwvault.toml (hwvault.toml(5)): its own tables, `[vault]`, `[limits]`, `[doors]`, `[audit]`,
// `[recovery]` and `[credential]`, and `anti_rollback` of `[hardware]`. The rest of that table is the hardware child's and is
// left to it. Any other, and an unknown key in one of its own, is an error that names the line, so that a misspelt limit
// is not silently none.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "daemon/doors/credential/mapping.h"
#include "daemon/service/anti_rollback.h"
#include "daemon/vault/vault.h"
#include "foundation/result.h"

namespace hwvault {

struct Settings {
    std::filesystem::path state{"/var/lib/hwvault"};                        // [vault] state
    std::string prefix{"hwv_"};                                             // [vault] prefix; used by init alone
    std::filesystem::path hardware_socket{"/run/hwvault-hardware/socket"};  // [vault] hardware_socket
    std::filesystem::path socket{"/run/hwvault/org.hwvault.Vault"};         // [doors] socket
    // [hardware] anti_rollback: "strict", "batch" or "off"
    service::AntiRollback anti_rollback{service::AntiRollback::kStrict};
    std::filesystem::path policy{"/etc/hwvault/policy.d"};                  // [vault] policy; a folder
    std::filesystem::path audit{"/var/log/hwvault"};                        // [audit] folder
    bool dbus{true};                                                        // [doors] dbus
    std::filesystem::path recipient;                                        // [recovery] recipient; empty: none
    doors::credential::Mapping credentials;                                 // [credential."UNIT"."CREDENTIAL"]
    vault::Quotas quotas;                                                   // [limits] tokens, tokens_per_account
    // In sentences: what is typed before `recover`. In development `hwvaultd --dev DIR`.
    std::string administered_by{"hwvault"};

    [[nodiscard]] std::filesystem::path store_file() const { return state / "store.db"; }
};

// kInvalidArgument with file, line and what is wrong; kNotFound when there is no such file.
Result<Settings> read_settings(const std::filesystem::path& file);

// The keys, as "[doors] socket", in which `read` differs from what a running hwvaultd began with and which it cannot
// change while it runs: all but the limits and the rules' folder.
std::vector<std::string> needing_restart(const Settings& running, const Settings& read);

}  // namespace hwvault
