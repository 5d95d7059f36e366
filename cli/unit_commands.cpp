// SPDX-License-Identifier: LGPL-2.1-or-later
//
// units: which unit is handed which token, and what it has of it: from hwvault.toml, from systemd, from the audit trail and
// from the vault, as far as each answers.
#include <map>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/configuration.h"
#include "cli/consumers.h"
#include "cli/handovers.h"
#include "cli/output.h"
#include "cli/service_manager.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

constexpr auto kVaultAnswersWithin = std::chrono::seconds(2);

// A line of the table.
struct Row {
    Consumer consumer;
    std::string state;         // "" where nobody knows
    std::optional<std::uint64_t> handed;  // nullopt: the trail could not be read; 0: not seen in it
    std::uint64_t current{0};  // 0: not known
};

// nullopt where systemd does not run or does not answer, which is said.
std::optional<std::vector<VaultUnit>> loading_units() {
    if (!systemd_runs()) return std::nullopt;
    auto units = vault_units();
    if (units) return std::move(*units);
    warn(units.error().message);
    return std::nullopt;
}

Answer<std::map<std::string, std::string>> states_of(const std::vector<Consumer>& consumers) {
    std::map<std::string, std::string> states;
    std::vector<std::string> units;
    for (const Consumer& one : consumers) {
        if (states.emplace(one.unit, "").second) units.push_back(one.unit);
    }
    if (units.empty() || !systemd_runs()) return states;
    HWVAULT_TRY(const std::vector<UnitState> found, unit_states(units));
    for (std::size_t i = 0; i < units.size(); ++i) states[units[i]] = found[i].load == "loaded" ? found[i].active : found[i].load;
    return states;
}

// The generation of each token that is current, as far as the vault answers and tells this caller.
class CurrentGenerations {
public:
    explicit CurrentGenerations(Session& session) {
        const auto door = session.open_door(kVaultAnswersWithin);
        if (door) door_ = *door;
    }

    std::uint64_t of(const Consumer& consumer) {
        const auto [known, is_new] = known_.try_emplace({consumer.account, consumer.name}, 0);
        if (!is_new || door_ == nullptr) return known->second;
        const auto info = door_->describe({consumer.account, consumer.name, 0});
        if (info) known->second = info->generation;
        // A vault that is not there is not asked again for every token.
        else if (exit_of(info.error()) == kUnavailable) door_ = nullptr;
        return known->second;
    }

private:
    Door* door_{nullptr};
    std::map<std::pair<std::string, std::string>, std::uint64_t> known_;
};

std::string generation_text(const Row& row) {
    if (!row.handed) return "not known";
    if (*row.handed == 0) return "not seen";
    const std::string handed = std::to_string(*row.handed);
    if (row.current == 0) return handed;
    return *row.handed >= row.current ? handed + " (current)" : handed + ", now " + std::to_string(row.current);
}

json::object json_of(const Row& row) {
    const Consumer& one = row.consumer;
    json::object object{{"unit", one.unit}, {"credential", one.credential}, {"account", one.account}, {"name", one.name},
                        {"mapped", one.mapped}};
    if (!row.state.empty()) object["state"] = row.state;
    if (row.handed && *row.handed != 0) object["handed_generation"] = *row.handed;
    if (row.current != 0) object["current_generation"] = row.current;
    return object;
}

Answer<Exit> units(Session& session) {
    HWVAULT_TRY(const Configuration configuration, read_configuration(session.settings.configuration));
    const auto loading = loading_units();
    const std::vector<Consumer> consumers = consumers_of(configuration.units, loading.value_or(std::vector<VaultUnit>()));
    const auto states = states_of(consumers);
    if (!states) warn(states.error().message);
    const auto trail = consumers.empty() ? Answer<Handovers>(Handovers()) : handovers_in(configuration.audit_folder);
    if (!trail) warn(trail.error().message);
    CurrentGenerations current(session);
    std::vector<std::vector<std::string>> rows{{"UNIT", "CREDENTIAL", "TOKEN", "STATE", "GENERATION", "NOTE"}};
    json::array array;
    for (const Consumer& one : consumers) {
        Row row{one, states ? states->at(one.unit) : "", std::nullopt, current.of(one)};
        if (trail) row.handed = trail->generation(one.unit, one.account, one.name);
        rows.push_back({one.unit, one.credential, one.account + "/" + one.name, row.state, generation_text(row),
                        loading ? note_of(one) : ""});
        array.push_back(json_of(row));
        if (loading) array.back().as_object()["loads"] = one.loads;
    }
    HWVAULT_CHECK(session.print(array.empty() ? "no units\n" : table(rows), array));
    return kYes;
}

}  // namespace

void add_unit_commands(CLI::App& app, Session& session) {
    CLI::App* const command = app.add_subcommand("units", "List which unit is handed which token");
    add_configuration(*command, session);
    command->callback([&session] { session.work = [&session] { return units(session); }; });
}

}  // namespace hwvault::cli
