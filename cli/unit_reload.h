// SPDX-License-Identifier: LGPL-2.1-or-later
//
// --reload-units and --restart-units: after a token has changed, the units that load it are reloaded or restarted, just those
// and only where they run, and what each has then been handed is read from the audit trail.
//
// systemd (up to 257 at least) hands a credential over at a unit's start alone. So a reload helps a service that asks the
// vault itself, and for others it is said that they have not picked it up.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <CLI/App.hpp>
#include <boost/json/array.hpp>

#include "cli/consumers.h"
#include "cli/handovers.h"
#include "cli/session.h"

namespace hwvault::cli {

struct UnitReloadAsked {
    bool reload{false};
    bool restart{false};
    std::string wait{"30s"};

    [[nodiscard]] bool is_wanted() const { return reload || restart; }
};
void add_unit_reload(CLI::App& command, UnitReloadAsked& asked);

// What became of a unit that loads the token.
struct UnitOutcome {
    std::string unit;
    bool was_up{false};
    bool can_reload{false};
    bool has_new{false};
    std::uint64_t generation{0};  // that it was handed since the change; 0 for none
    std::string state;            // as systemd has it
};
// Whether each that was up has the new generation.
bool all_have_it(const std::vector<UnitOutcome>& outcomes);
std::string report_of(const std::vector<UnitOutcome>& outcomes, const UnitReloadAsked& asked);
boost::json::array to_json(const std::vector<UnitOutcome>& outcomes);

class UnitReload {
public:
    // Whatever can be wrong is found here, before the token changes.
    static Answer<UnitReload> prepare(const Session& session, const UnitReloadAsked& asked);
    // All at once, then waits for them, no longer than --wait.
    Answer<std::vector<UnitOutcome>> carry_out(const Info& changed);

private:
    UnitReload(UnitReloadAsked asked, std::chrono::seconds wait, std::vector<Consumer> consumers, AuditFollower trail);
    Answer<void> wait_for(std::vector<UnitOutcome>& outcomes, const Info& changed);

    UnitReloadAsked asked_;
    std::chrono::seconds wait_;
    std::vector<Consumer> consumers_;
    AuditFollower trail_;
    Handovers handovers_;
};

}  // namespace hwvault::cli
