// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/vault/change.h"

namespace hwvault::vault {

std::string_view word(Verb verb) {
    switch (verb) {
        case Verb::kRetrieve: return "Retrieve";
        case Verb::kRevoke: return "Revoke";
        case Verb::kRevokeToken: return "RevokeToken";
        case Verb::kRotate: return "Rotate";
        case Verb::kVerify: return "Verify";
        case Verb::kCreate: return "Create";
        case Verb::kImport: return "Import";
        case Verb::kDelete: return "Delete";
        case Verb::kList: return "List";
        case Verb::kDescribe: return "Describe";
        case Verb::kStatus: return "Status";
        case Verb::kWatch: return "Watch";
        case Verb::kRecover: return "Recover";
        case Verb::kAudit: return "Audit";
    }
    return "Unknown";
}

std::string name_of(const Actor& actor) {
    if (!actor.unit.empty()) return "unit:" + actor.unit;
    return actor.user.empty() ? "uid:" + std::to_string(actor.uid) : "user:" + actor.user;
}

}  // namespace hwvault::vault
