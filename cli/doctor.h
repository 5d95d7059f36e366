// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What `hwvault doctor` looks at, in the order in which an administrator would: configuration, module, PIN, machine, daemon,
// device, keys, protection. Each finding says what is, and if that is not well, what to type next.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/configuration.h"
#include "cli/door.h"
#include "cli/service_manager.h"

namespace hwvault::cli {

enum class Verdict { kGood, kNote, kBad };
std::string_view word(Verdict verdict);  // "good", "note", "bad"

struct Finding {
    std::string what;   // "module"
    Verdict verdict{Verdict::kGood};
    std::string found;  // a sentence
    std::string next;   // what to type or do; "" where all is well
};

// Looks at the files that the configuration names, as far as this user may.
std::vector<Finding> examine_configuration(const std::string& file, const Answer<Configuration>& configuration);

struct SystemFacts {
    bool systemd{false};  // is process 1; else nothing is known of the units
    UnitState daemon;
    UnitState socket;
    UnitState credential_socket;
    UnitState notice_socket;
    std::vector<std::string> missing_names;  // users and groups of ours
    std::string kernel;                      // its release
};
Answer<SystemFacts> system_facts();
std::vector<Finding> examine_system(const Answer<SystemFacts>& facts);

// `configuration` may be a failure; then nothing is compared with it.
std::vector<Finding> examine_vault(const Answer<Report>& report, const Answer<Configuration>& configuration);

}  // namespace hwvault::cli
