// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/rule.h"

#include <algorithm>

namespace hwvault::policy {

bool any_matches(const std::vector<Pattern>& patterns, std::string_view name) {
    return std::ranges::any_of(patterns, [&](const Pattern& pattern) { return pattern.matches(name); });
}

bool names_caller(const Rule& rule, const Caller& caller) {
    if (rule.anyone) return true;
    return std::ranges::any_of(rule.users, [&](const auto& user) { return is_user(caller, user); }) ||
           std::ranges::any_of(rule.groups, [&](const auto& group) { return is_member(caller, group); }) ||
           (caller.unit && any_matches(rule.units, *caller.unit));
}

bool names_object(const Rule& rule, const Caller& caller, const Object& object) {
    if (!rule.tokens.empty() && !any_matches(rule.tokens, object.name.text())) return false;
    if (any_matches(rule.accounts, object.account.text())) return true;
    if (rule.self && is_own(caller, object.account)) return true;
    return rule.owned && object.account.kind() == vault::AccountKind::kApp &&
           std::ranges::any_of(object.owners, [&](const auto& owner) { return is_principal(caller, owner); });
}

bool is_within(const Limits& limits, const Wanted& wanted) {
    if (wanted.owners && !limits.owners) return false;
    if (limits.max_expiry && wanted.string && (!wanted.expires_in || *wanted.expires_in > *limits.max_expiry)) return false;
    return !limits.scopes || std::ranges::all_of(wanted.scopes, [&](const auto& scope) {
        return any_matches(*limits.scopes, scope);
    });
}

}  // namespace hwvault::policy
