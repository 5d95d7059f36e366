// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The policy's language, as hwvault-policy(5) describes it: TOML with [[allow]] and [[deny]] tables.
//
// Strict: an unknown key, a name outside its grammar, a star anywhere but at a pattern's end, a limit on a [[deny]] are
// errors, since a rule that means less than it says is worse than none. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "foundation/result.h"
#include "policy/rule.h"

namespace hwvault::policy {

constexpr std::size_t kMaxPolicyFileSize = 1 << 20;  // bytes
constexpr std::size_t kMaxListed = 1'024;            // names or patterns in one list
constexpr std::size_t kMaxRuleNameSize = 64;         // `[a-z0-9][a-z0-9-]{0,63}`

// The rules in the order of their lines. kInvalidArgument: "FILE, line L, column C: SENTENCE".
Result<std::vector<Rule>> parse(const std::string& file, std::string_view text);

}  // namespace hwvault::policy
