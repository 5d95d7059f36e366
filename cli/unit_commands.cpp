// SPDX-License-Identifier: LGPL-2.1-or-later
//
// units: which unit is handed which token, and what it has of it: from hwvault.toml, from systemd, from the audit trail and
// from the vault, as far as each answers.
#include <ctime>
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
    std::optional<Handover> handed;  // nullopt: the trail could not be read
    Answer<Info> token;              // as the vault has it now
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

// What each token is now, as far as the vault answers and tells this caller.
class TokensNow {
public:
    explicit TokensNow(Session& session) {
        const auto door = session.open_door(kVaultAnswersWithin);
        if (door) door_ = *door;
        else no_answer_ = door.error();
    }

    Answer<Info> of(const Consumer& consumer) {
        const std::pair key{consumer.account, consumer.name};
        if (const auto known = known_.find(key); known != known_.end()) return known->second;
        // A vault that is not there is not asked again for every token.
        if (door_ == nullptr) return no_answer_;
        auto token = door_->describe({consumer.account, consumer.name, 0});
        if (!token && exit_of(token.error()) == kUnavailable) {
            door_ = nullptr;
            no_answer_ = token.error();
        }
        return known_.emplace(key, std::move(token)).first->second;
    }

private:
    Door* door_{nullptr};
    Failure no_answer_{};
    std::map<std::pair<std::string, std::string>, Answer<Info>> known_;
};

json::object json_of(const Row& row, std::int64_t now) {
    const Consumer& one = row.consumer;
    json::object object{{"unit", one.unit}, {"credential", one.credential}, {"account", one.account}, {"name", one.name},
                        {"mapped", one.mapped}};
    if (!row.state.empty()) object["state"] = row.state;
    if (row.handed && row.handed->generation != 0) {
        object["handed_generation"] = row.handed->generation;
        const Standing standing = standing_of(*row.handed, row.token, now);
        if (standing != Standing::kNotKnown) object["handed_is"] = word(standing);
    }
    if (row.token) object["current_generation"] = row.token->generation;
    if (row.token && row.token->revoked) object["revoked"] = true;
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
    TokensNow tokens(session);
    const std::int64_t now = std::time(nullptr);
    std::vector<std::vector<std::string>> rows{{"UNIT", "CREDENTIAL", "TOKEN", "STATE", "GENERATION", "NOTE"}};
    json::array array;
    for (const Consumer& one : consumers) {
        Row row{one, states ? states->at(one.unit) : "", std::nullopt, tokens.of(one)};
        if (trail) row.handed = trail->latest(one.unit, one.account, one.name);
        rows.push_back({one.unit, one.credential, one.account + "/" + one.name, row.state,
                        row.handed ? generation_text(*row.handed, row.token, now) : "not known", loading ? note_of(one) : ""});
        array.push_back(json_of(row, now));
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
