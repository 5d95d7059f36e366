// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a caller is told about a token: the contract's `info`. Doors translate it and add nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/vault/record.h"

namespace hwvault::vault {

struct Info {
    std::string account;
    std::string name;
    std::string id;  // ten base62 characters
    Origin origin{Origin::kIssued};
    std::uint64_t generation{0};
    UnixTime created_at{0};
    UnixTime changed_at{0};
    UnixTime last_used_at{0};       // as far as observed; 0: never
    std::string last_used_by;       // name_of() who that was; empty of a verification
    UnixTime expires_at{kNever};    // left out of the answer when never
    std::vector<std::string> scopes;
    std::string description;
    std::optional<std::uint32_t> uid;  // of a user: account, at its creation
    std::vector<std::string> owners;   // of an app: account
    bool revoked{false};            // true: there is no current generation; the answer then has `revoked`
    std::optional<bool> rollback_protected;  // after a change only
};

}  // namespace hwvault::vault
