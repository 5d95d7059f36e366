// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The end of every string that the vault issued, in one change: after an old disk was accepted nobody knows which of
// them were revoked since, and a string that is dead stays dead.
#pragma once

#include <string>
#include <vector>

#include "daemon/vault/change.h"
#include "daemon/vault/vault.h"

namespace hwvault::service {

// Whose work it is, and why, for the audit trail.
struct Reason {
    vault::UnixTime now{0};
    vault::Actor actor;
    std::string decided_by;
};

// A revocation of each issued token that is not revoked yet, as Revoke plans it: `default` gets its successor. Secrets
// of third parties stay.
Result<std::vector<vault::Change>> revoke_all_issued(const vault::Vault& vault, const Reason& reason);

}  // namespace hwvault::service
