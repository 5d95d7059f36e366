// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests of the policy say: callers, objects, and a policy of a text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/policy.h"

namespace hwvault::policy {

inline Caller user(std::uint32_t uid, std::string name, std::vector<std::string> groups = {}) {
    return {.uid = uid, .user = std::move(name), .groups = std::move(groups), .unit = std::nullopt, .invocation = "", .executable = ""};
}

inline Caller in_unit(Caller caller, std::string unit) {
    caller.unit = std::move(unit);
    return caller;
}

inline Object object(std::string_view account, std::vector<std::string> owners = {}, std::string_view name = "") {
    return {.account = vault::AccountName::parse(account).value(),
            .name = vault::TokenName::parse(name).value(),
            .owners = std::move(owners)};
}

inline Policy policy_of(std::string text) {
    return Policy::of({{"test.toml", std::move(text)}}).value();
}

}  // namespace hwvault::policy
