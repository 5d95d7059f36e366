// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cli/unit_reload.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/duration.h"
#include "cli/output.h"
#include "cli/service_manager.h"

namespace hwvault::cli {
namespace {

constexpr std::chrono::milliseconds kLookAgain{200};

template <class Takes>
std::vector<std::string> names_of(const std::vector<UnitOutcome>& outcomes, Takes takes) {
    std::vector<std::string> names;
    for (const UnitOutcome& one : outcomes) {
        if (takes(one)) names.push_back(one.unit);
    }
    return names;
}

std::string picked_up(const UnitOutcome& one, const UnitReloadAsked& asked) {
    if (!one.was_up) return "not running: from its next start";
    if (one.has_new) return "generation " + std::to_string(one.generation);
    return asked.reload && !one.can_reload ? "not picked up: cannot reload" : "not picked up";
}

}  // namespace

void add_unit_reload(CLI::App& command, UnitReloadAsked& asked) {
    CLI::Option* const reload = command.add_flag("--reload-units", asked.reload, "Then reload the units that load the token");
    CLI::Option* const restart = command.add_flag("--restart-units", asked.restart, "Then restart them, as they need for LoadCredential=");
    restart->excludes(reload);
    command.add_option("--wait", asked.wait, "How long to wait for them")->capture_default_str();
}

bool all_have_it(const std::vector<UnitOutcome>& outcomes) {
    return std::ranges::all_of(outcomes, [](const UnitOutcome& one) { return one.has_new || !one.was_up; });
}

std::string report_of(const std::vector<UnitOutcome>& outcomes, const UnitReloadAsked& asked) {
    if (outcomes.empty()) return "No unit loads this token.\n";
    std::vector<std::vector<std::string>> rows{{"UNIT", "PICKED UP", "STATE"}};
    for (const UnitOutcome& one : outcomes) rows.push_back({one.unit, picked_up(one, asked), one.state});
    std::string text = table(rows);
    if (all_have_it(outcomes)) return text;
    return text + (asked.reload ? "systemd hands a credential over when a unit starts, not when it reloads: use --restart-units, unless the "
                                  "service asks the vault itself.\n"
                                : "Look at `journalctl -u` of those that have not picked it up.\n");
}

boost::json::array to_json(const std::vector<UnitOutcome>& outcomes) {
    boost::json::array array;
    for (const UnitOutcome& one : outcomes) {
        boost::json::object object{{"unit", one.unit}, {"was_running", one.was_up}, {"picked_up", one.has_new}, {"state", one.state}};
        if (one.generation != 0) object["generation"] = one.generation;
        array.push_back(std::move(object));
    }
    return array;
}

UnitReload::UnitReload(UnitReloadAsked asked, std::chrono::seconds wait, std::vector<Consumer> consumers, AuditFollower trail)
    : asked_(std::move(asked)), wait_(wait), consumers_(std::move(consumers)), trail_(std::move(trail)) {}

Answer<UnitReload> UnitReload::prepare(const Session& session, const UnitReloadAsked& asked) {
    HWVAULT_TRY(const std::chrono::seconds wait, duration_named(asked.wait));
    const std::string option = asked.reload ? "--reload-units" : "--restart-units";
    if (!systemd_runs()) {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       option + " needs systemd, which does not run here. Nothing was changed: leave it out, and restart by hand "
                                "what uses the token."};
    }
    if (::geteuid() != 0) {
        return Failure{HWVAULT_ERROR_ACCESS_DENIED, option + " is for root, who may restart services. Nothing was changed."};
    }
    HWVAULT_TRY(const Configuration configuration, read_configuration_if_any(session.settings));
    HWVAULT_TRY(const std::vector<VaultUnit> units, vault_units());
    HWVAULT_TRY(AuditFollower trail, AuditFollower::at_end(configuration.audit_folder));
    return UnitReload(asked, wait, consumers_of(configuration.units, units), std::move(trail));
}

Answer<std::vector<UnitOutcome>> UnitReload::carry_out(const Info& changed) {
    const std::vector<std::string> units = units_that_load(consumers_, changed.account, changed.name);
    if (units.empty()) return std::vector<UnitOutcome>();
    HWVAULT_TRY(const std::vector<UnitState> states, unit_states(units));
    std::vector<UnitOutcome> outcomes;
    for (std::size_t i = 0; i < units.size(); ++i) {
        outcomes.push_back({units[i], states[i].is_up(), states[i].can_reload, false, 0, states[i].active});
    }
    const auto is_told = [this](const UnitOutcome& one) { return one.was_up && (asked_.restart || one.can_reload); };
    // One that fails is told by what it has not picked up; systemctl names it on standard error.
    static_cast<void>(systemctl_without_waiting(asked_.reload ? "reload" : "restart", names_of(outcomes, is_told)));
    HWVAULT_CHECK(wait_for(outcomes, changed));
    return outcomes;
}

Answer<void> UnitReload::wait_for(std::vector<UnitOutcome>& outcomes, const Info& changed) {
    const Progress progress("Waiting for the units ...");
    const std::vector<std::string> running = names_of(outcomes, [](const UnitOutcome& one) { return one.was_up; });
    const auto deadline = std::chrono::steady_clock::now() + wait_;
    for (bool waits = !running.empty(); waits;) {
        HWVAULT_TRY(const std::vector<UnitState> states, unit_states(running));
        HWVAULT_CHECK(trail_.read(handovers_));
        waits = false;
        auto state = states.begin();
        for (UnitOutcome& one : outcomes) {
            if (!one.was_up) continue;
            one.state = state->active;
            one.generation = handovers_.latest(one.unit, changed.account, changed.name).generation;
            one.has_new = one.generation >= changed.generation && one.state != "failed";
            const bool gave_up = one.state == "failed" || (asked_.reload && !one.can_reload);
            waits = waits || state->is_on_its_way() || (!one.has_new && !gave_up);
            ++state;
        }
        if (std::chrono::steady_clock::now() >= deadline) break;
        if (waits) std::this_thread::sleep_for(kLookAgain);
    }
    return {};
}

}  // namespace hwvault::cli
