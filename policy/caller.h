// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Who is calling, and what is theirs whatever the rules say.
//
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/vault/names.h"

namespace hwvault::policy {

// As the kernel or the bus vouches for it and the name service resolved it.
struct Caller {
    std::uint32_t uid{65534};
    std::optional<std::string> user;      // none: does not resolve, a dynamic user's, or nobody's
    std::vector<std::string> groups;      // names of its groups, primary and supplementary
    std::optional<std::string> unit;      // "billing.service"; none without a pidfd
    std::string invocation;               // which run of the unit, for the audit line; empty when unknown
    std::string executable;               // a hint for the audit line, no more; empty when unknown
};

// Its user name may stand for it, and is this one. uid 0 is `root`, whatever it is called.
bool is_user(const Caller& caller, std::string_view name);
bool is_member(const Caller& caller, std::string_view group);
bool is_unit(const Caller& caller, std::string_view unit);
// "user:NAME", "group:NAME" or "unit:NAME.service", as an account's owners are written.
bool is_principal(const Caller& caller, std::string_view principal);

// Who counts as one where something is shared out: "unit:NAME" if there is one, since programs of many owners may share
// a uid, else "uid:N".
std::string party_of(const Caller& caller);

// root and members of `hwvault-admin`: may read the policy, so an AccessDenied tells them the rule. No rule can give or
// take this.
bool is_administrator(const Caller& caller);

// The account of the caller's own `user:`; nullopt when it has none.
std::optional<vault::AccountName> own_account(const Caller& caller);
// True for that, and for the `unit:` that the caller is.
bool is_own(const Caller& caller, const vault::AccountName& account);

}  // namespace hwvault::policy
