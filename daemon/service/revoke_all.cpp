// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/service/revoke_all.h"

#include <utility>

#include "daemon/vault/lifecycle.h"

namespace hwvault::service {

Result<std::vector<vault::Change>> revoke_all_issued(const vault::Vault& vault, const Reason& reason) {
    std::vector<vault::Target> targets;
    vault.visit_after({}, [&](const vault::Account& account, const vault::Token& token) {
        if (token.origin == vault::Origin::kIssued) targets.push_back({account.name, token.name, account.uid});
        return true;
    });
    std::vector<vault::Change> changes;
    for (const vault::Target& target : targets) {
        HWVAULT_TRY(vault::Fresh fresh, vault::draw_fresh());
        const vault::Occasion occasion{
            .now = reason.now, .actor = reason.actor, .decided_by = reason.decided_by, .fresh = std::move(fresh)};
        HWVAULT_TRY(auto plan, vault::revoke(vault, target, 0, occasion));
        if (auto* const withdraws = std::get_if<vault::Withdraws>(&plan)) changes.push_back(std::move(withdraws->change));
    }
    return changes;
}

}  // namespace hwvault::service
