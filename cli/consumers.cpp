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

}  // namespace hwvault::cli
