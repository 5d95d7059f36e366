// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Why a decision is what it is: the rule with its file and line, and, for a refusal, what would have been needed. And the
// other way round: who could do it, by which rule. For administrators; pure and thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace hwvault::policy {

// Of one way in which it would be allowed.
struct Need {
    const Rule* rule;      // of the policy that was asked
    std::string sentence;  // "be in the group hwvault-admin"
};

struct Explanation {
    Decision decision;
    const Rule* rule{nullptr};  // that decided; null when none applies
    std::vector<Need> needs;    // of a refusal, at most kMaxNeeds; of a denial the one that it names others
};
constexpr std::size_t kMaxNeeds = 8;

Explanation explain(const Policy& policy, const Question& question);

// A rule that allows the verb on the object to somebody, and to whom: "user:alice", "group:ops", "unit:worker@*",
// "anyone". What deny rules take from them again is in `but_not`.
struct Grant {
    const Rule* rule;
    std::vector<std::string> who;
};
struct Access {
    std::vector<Grant> grants;
    std::vector<Grant> but_not;
};
Access who_may(const Policy& policy, vault::Verb verb, const Object& object);

}  // namespace hwvault::policy
