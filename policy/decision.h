// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one gate. Every door's every operation asks it, with the caller's own identity, for the live state.
//
// Pure: who (Caller), what (Verb), on what (Object) -> Decision. The contract's default rules are built in; the
// policy language of a later release replaces them behind this same call. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/change.h"
#include "daemon/vault/names.h"

namespace hwvault::policy {

// Who is calling, as the kernel or the bus vouches for it and the name service resolved it.
struct Caller {
    std::uint32_t uid{65534};
    std::optional<std::string> user;      // none: does not resolve, a dynamic user's, or nobody's
    std::vector<std::string> groups;      // names of its groups, primary and supplementary
    std::optional<std::string> unit;      // "billing.service"; none without a pidfd
    std::string executable;               // a hint for the audit line, no more; empty when unknown
};

// The account and token that a verb is about. `owners` is of the account on record, empty when there is none.
struct Object {
    vault::AccountName account;
    vault::TokenName name;
    std::vector<std::string> owners;
    bool account_exists{false};
    bool names_owners{false};  // of a Create or Import: its options have `owners`
};

struct Decision {
    bool allowed{false};
    std::string rule;  // the name of the rule that decided: "own-account", "app-owner", "administrator", ...
};

// Verbs about one account: all but List, Status and Watch, which ask kDescribe for each token they would show.
Decision decide(const Caller& caller, vault::Verb verb, const Object& object);

// root and members of `hwvault-admin`: may read the policy, so an AccessDenied tells them the rule.
bool is_administrator(const Caller& caller);
// They, and members of `hwvault-verify`: may verify any token, known or not.
bool may_verify_any(const Caller& caller);

// The account of the caller's own `user:`; nullopt when it has none.
std::optional<vault::AccountName> own_account(const Caller& caller);

}  // namespace hwvault::policy
