// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/consumers.h"

#include <algorithm>
#include <map>
#include <utility>

namespace hwvault::cli {

std::vector<Consumer> consumers_of(const std::vector<UnitCredential>& mapped, const std::vector<VaultUnit>& units) {
    std::map<std::pair<std::string, std::string>, Consumer> all;
    for (const UnitCredential& entry : mapped) {
        all[{entry.unit, entry.credential}] = {entry.unit, entry.credential, entry.account, entry.name, true, false};
    }
    for (const VaultUnit& unit : units) {
        for (const std::string& credential : unit.credentials) {
            Consumer own{unit.name, credential, "unit:" + unit.name, "default", false, false};
            all.try_emplace({unit.name, credential}, std::move(own)).first->second.loads = true;
        }
    }
    std::vector<Consumer> consumers;
    for (auto& [key, consumer] : all) consumers.push_back(std::move(consumer));
    return consumers;
}

std::vector<std::string> units_that_load(const std::vector<Consumer>& consumers, const std::string& account, const std::string& name) {
    std::vector<std::string> units;
    for (const Consumer& one : consumers) {
        const bool takes = one.loads && one.account == account && one.name == name;
        if (takes && (units.empty() || units.back() != one.unit)) units.push_back(one.unit);
    }
    return units;
}

std::string note_of(const Consumer& consumer) {
    if (!consumer.loads) return "the unit has no LoadCredential=" + consumer.credential + ":" + kCredentialSocket;
    if (!consumer.mapped) return "no [credential] for it: its own default";
    return "";
}

std::string_view word(Standing standing) {
    switch (standing) {
        case Standing::kNotKnown: return "";
        case Standing::kCurrent: return "current";
        case Standing::kOlder: return "older";
        case Standing::kRevoked: return "revoked";
        case Standing::kExpired: return "expired";
        case Standing::kDeleted: return "deleted";
    }
    return "";
}

Standing standing_of(const Handover& handed, const Answer<Info>& token, std::int64_t now) {
    if (handed.generation == 0) return Standing::kNotKnown;
    if (!token) return token.error().code == HWVAULT_ERROR_NOT_FOUND ? Standing::kDeleted : Standing::kNotKnown;
    if (handed.generation < token->generation) return Standing::kOlder;
    if (handed.id != token->id) return Standing::kDeleted;
    if (token->revoked) return Standing::kRevoked;
    return token->expires_at != 0 && token->expires_at <= now ? Standing::kExpired : Standing::kCurrent;
}

std::string generation_text(const Handover& handed, const Answer<Info>& token, std::int64_t now) {
    if (handed.generation == 0) return "not seen";
    const std::string generation = std::to_string(handed.generation);
    const Standing standing = standing_of(handed, token, now);
    if (standing == Standing::kNotKnown) return generation;
    const std::string text = generation + " (" + std::string(word(standing)) + ")";
    const bool is_another = token && (standing == Standing::kOlder || standing == Standing::kDeleted);
    if (!is_another) return text;
    return text + ", now " + std::to_string(token->generation) + (token->revoked ? " (revoked)" : "");
}

}  // namespace hwvault::cli
