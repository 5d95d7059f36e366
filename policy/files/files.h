// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The policy's files: the rules that hwvault ships, built in as 50-default.toml, and the *.toml of policy.d, all in the
// order of their names. A file of the same name takes the place of the built-in one; an empty one removes it.
#pragma once

#include <filesystem>
#include <vector>

#include "foundation/result.h"
#include "policy/policy.h"

namespace hwvault::policy {

constexpr const char* kDefaultFile = "50-default.toml";
constexpr std::size_t kMaxPolicyFiles = 256;

// Without the folder the shipped rules alone. kInvalidArgument for a file that is too large, no regular file, or one that
// everybody may write, as they may not write the folder either; and what reading it says.
Result<std::vector<Source>> read_sources(const std::filesystem::path& folder);
// The policy of these.
Result<Policy> read_policy(const std::filesystem::path& folder);

// The shipped rules, as text.
std::string_view default_rules();

}  // namespace hwvault::policy
