// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which unit is handed which token, put together from two sides that can disagree: what hwvault.toml maps, and what units
// load. And what has become of the string that a unit was handed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/configuration.h"
#include "cli/door.h"
#include "cli/handovers.h"
#include "cli/unit_bus.h"

namespace hwvault::cli {

struct Consumer {
    std::string unit;
    std::string credential;
    std::string account;
    std::string name;
    bool mapped{false};  // by [credential."UNIT"."CREDENTIAL"]; else it is `default` of the unit's own account
    bool loads{false};   // the unit has LoadCredential= for it
};

// By unit and credential.
std::vector<Consumer> consumers_of(const std::vector<UnitCredential>& mapped, const std::vector<VaultUnit>& units);

// The units among them that load this token, each once.
std::vector<std::string> units_that_load(const std::vector<Consumer>& consumers, const std::string& account, const std::string& name);

// "" where both sides agree.
std::string note_of(const Consumer& consumer);

// What has become of it.
enum class Standing { kNotKnown, kCurrent, kOlder, kRevoked, kExpired, kDeleted };
std::string_view word(Standing standing);  // "" where it is not known, "current", "older", ...
// By what the vault says of the token; another failure than NotFound says nothing. An older one may be good still, in its overlap.
Standing standing_of(const Handover& handed, const Answer<Info>& token, std::int64_t now);
// "3 (current)".
std::string generation_text(const Handover& handed, const Answer<Info>& token, std::int64_t now);

}  // namespace hwvault::cli
