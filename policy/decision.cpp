// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/decision.h"

#include <algorithm>

namespace hwvault::policy {
namespace {

using vault::AccountKind;
using vault::Verb;

constexpr std::string_view kAdministrators = "hwvault-admin";
constexpr std::string_view kVerifiers = "hwvault-verify";

bool is_member(const Caller& caller, std::string_view group) {
    return std::ranges::find(caller.groups, group) != caller.groups.end();
}

// Whether the caller has a user name that may stand for it.
bool has_user(const Caller& caller) {
    return caller.user && vault::uid_has_account(caller.uid);
}

bool is_user(const Caller& caller, std::string_view name) {
    return has_user(caller) && *caller.user == name;
}

bool is_unit(const Caller& caller, std::string_view name) {
    return caller.unit && *caller.unit == name;
}

bool is_principal(const Caller& caller, std::string_view principal) {
    const std::size_t colon = principal.find(':');
    if (colon == std::string_view::npos) return false;
    const std::string_view kind = principal.substr(0, colon);
    const std::string_view name = principal.substr(colon + 1);
    if (kind == "user") return is_user(caller, name);
    if (kind == "unit") return is_unit(caller, name);
    return kind == "group" && is_member(caller, name);
}

// The rule by which the account is the caller's; empty when it is not.
std::string_view ownership(const Caller& caller, const Object& object) {
    const std::string_view name = object.account.local();
    switch (object.account.kind()) {
        case AccountKind::kUser: return is_user(caller, name) ? "own-account" : "";
        case AccountKind::kUnit: return is_unit(caller, name) ? "own-unit" : "";
        case AccountKind::kApp:
            return std::ranges::any_of(object.owners, [&](const auto& owner) { return is_principal(caller, owner); })
                       ? "app-owner"
                       : "";
    }
    return "";
}

// What an administrator may do with an account of others: manage it, not read it, and not put a secret of their own
// choice where a person expects theirs.
bool administrators_may(Verb verb, const Object& object) {
    switch (verb) {
        case Verb::kRevoke:
        case Verb::kRotate:
        case Verb::kCreate:
        case Verb::kDelete:
        case Verb::kList:
        case Verb::kDescribe:
        case Verb::kWatch:
        case Verb::kRecover: return true;
        case Verb::kImport: return object.account.kind() != AccountKind::kUser;
        case Verb::kRetrieve:
        case Verb::kRevokeToken:
        case Verb::kVerify:
        case Verb::kStatus: return false;
    }
    return false;
}

}  // namespace

bool is_administrator(const Caller& caller) {
    return caller.uid == 0 || is_member(caller, kAdministrators);
}

bool may_verify_any(const Caller& caller) {
    return is_administrator(caller) || is_member(caller, kVerifiers);
}

std::optional<vault::AccountName> own_account(const Caller& caller) {
    if (!has_user(caller)) return std::nullopt;
    const auto account = vault::AccountName::of_user(*caller.user);
    if (!account) return std::nullopt;
    return *account;
}

Decision decide(const Caller& caller, Verb verb, const Object& object) {
    if (verb == Verb::kRevokeToken) return {true, "whoever-finds-a-token"};
    if (verb == Verb::kStatus) return {true, "status"};
    if (verb == Verb::kVerify && may_verify_any(caller)) return {true, "verifier"};
    if (object.names_owners && !is_administrator(caller)) return {false, "owners-by-administrators"};
    if (verb != Verb::kRecover) {
        if (const auto rule = ownership(caller, object); !rule.empty()) return {true, std::string(rule)};
    }
    if (is_administrator(caller) && administrators_may(verb, object)) return {true, "administrator"};
    return {false, "default-deny"};
}

}  // namespace hwvault::policy
