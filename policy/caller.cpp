// SPDX-License-Identifier: LGPL-2.1-or-later
#include "policy/caller.h"

#include <algorithm>

namespace hwvault::policy {
namespace {

constexpr std::string_view kAdministrators = "hwvault-admin";
constexpr std::string_view kRoot = "root";

// Whether the caller has a user name that may stand for it.
bool has_user(const Caller& caller) {
    return caller.user && vault::uid_has_account(caller.uid);
}

}  // namespace

bool is_user(const Caller& caller, std::string_view name) {
    if (name == kRoot) return caller.uid == 0;
    return has_user(caller) && *caller.user == name;
}

bool is_member(const Caller& caller, std::string_view group) {
    return std::ranges::find(caller.groups, group) != caller.groups.end();
}

bool is_unit(const Caller& caller, std::string_view unit) {
    return caller.unit && *caller.unit == unit;
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

std::string party_of(const Caller& caller) {
    return caller.unit ? "unit:" + *caller.unit : "uid:" + std::to_string(caller.uid);
}

bool is_administrator(const Caller& caller) {
    return caller.uid == 0 || is_member(caller, kAdministrators);
}

std::optional<vault::AccountName> own_account(const Caller& caller) {
    if (!has_user(caller)) return std::nullopt;
    const auto account = vault::AccountName::of_user(*caller.user);
    if (!account) return std::nullopt;
    return *account;
}

bool is_own(const Caller& caller, const vault::AccountName& account) {
    switch (account.kind()) {
        case vault::AccountKind::kUser: return has_user(caller) && *caller.user == account.local();
        case vault::AccountKind::kUnit: return is_unit(caller, account.local());
        case vault::AccountKind::kApp: return false;
    }
    return false;
}

}  // namespace hwvault::policy
