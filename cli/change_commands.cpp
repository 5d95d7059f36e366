// SPDX-License-Identifier: LGPL-2.1-or-later
//
// revoke, revoke-token, rotate, delete: where trust is taken away.
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/output.h"
#include "cli/unit_reload.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

// The device may have to be told, and a device takes its time.
constexpr const char* kRevoking = "The vault is revoking ...";

// Whatever is wrong with reloading is told before the token changes; nothing where it was not asked for.
Answer<std::optional<UnitReload>> prepared(const Session& session, const UnitReloadAsked& asked) {
    if (!asked.is_wanted()) return std::optional<UnitReload>();
    HWVAULT_TRY(UnitReload reload, UnitReload::prepare(session, asked));
    return std::optional<UnitReload>(std::move(reload));
}

// Prints what was changed, and what became of the units.
Answer<Exit> finish(Session& session, const std::string& done, const Info& info, std::optional<UnitReload>& reload, const UnitReloadAsked& asked) {
    if (!reload) {
        HWVAULT_CHECK(session.print(done + details(info), to_json(info)));
        return kYes;
    }
    const auto outcomes = reload->carry_out(info);
    json::object object = to_json(info);
    if (outcomes) object["units"] = to_json(*outcomes);
    HWVAULT_CHECK(session.print(done + details(info) + (outcomes ? report_of(*outcomes, asked) : ""), object));
    if (!outcomes) return outcomes.error();
    return all_have_it(*outcomes) ? kYes : kNo;
}

Answer<Exit> revoke(Session& session, const Target& target, const UnitReloadAsked& asked) {
    if (asked.is_wanted() && !target.name.empty() && target.name != "default") {
        return Failure{HWVAULT_ERROR_INVALID_ARGUMENT,
                       "A named token has no successor when it is revoked, so its units would not start. Nothing was changed: use `hwvault "
                       "rotate`, or revoke it without this option."};
    }
    HWVAULT_TRY(std::optional<UnitReload> reload, prepared(session, asked));
    HWVAULT_TRY(const Info info, session.ask(kRevoking, [&](Door& door) { return door.revoke(target); }));
    return finish(session, info.revoked ? "revoked\n" : "revoked; its successor:\n", info, reload, asked);
}

Answer<Exit> revoke_token(Session& session) {
    HWVAULT_TRY(const SecretBytes token, read_token());
    HWVAULT_CHECK(session.ask(kRevoking, [&](Door& door) { return door.revoke_token(token.reveal()); }));
    HWVAULT_CHECK(session.print("If this was a token of the vault, it is revoked.\n", json::object{{"revoked", true}}));
    return kYes;
}

Answer<Exit> rotate(Session& session, const Target& target, const std::string& overlap, const UnitReloadAsked& asked) {
    HWVAULT_TRY(const std::chrono::seconds span, duration_named(overlap));
    HWVAULT_TRY(std::optional<UnitReload> reload, prepared(session, asked));
    HWVAULT_TRY(const Info info, session.ask("The vault is rotating the token ...",
                                             [&](Door& door) { return door.rotate(target, span); }));
    return finish(session, "rotated\n", info, reload, asked);
}

Answer<Exit> erase(Session& session, const Target& target) {
    HWVAULT_CHECK(session.ask("The vault is deleting the token ...", [&](Door& door) { return door.erase(target); }));
    HWVAULT_CHECK(session.print("deleted\n", json::object{{"deleted", true}}));
    return kYes;
}

void add_generation(CLI::App& command, Target& target) {
    command.add_option("--generation", target.generation, "This one alone, and nothing if it is gone; without it the current one")
        ->check(CLI::PositiveNumber);
}

}  // namespace

void add_change_commands(CLI::App& app, Session& session) {
    CLI::App* const revoke_command = app.add_subcommand("revoke", "Kill a token, now; `default` gets a successor");
    auto revoked = std::make_shared<Target>();
    add_target(*revoke_command, *revoked);
    add_generation(*revoke_command, *revoked);
    auto after_revoke = std::make_shared<UnitReloadAsked>();
    add_unit_reload(*revoke_command, *after_revoke);
    add_configuration(*revoke_command, session);
    revoke_command->callback([&session, revoked, after_revoke] {
        session.work = [&session, revoked, after_revoke] { return revoke(session, *revoked, *after_revoke); };
    });

    CLI::App* const token_command = app.add_subcommand("revoke-token", "Kill the token that is on standard input");
    token_command->add_option("INPUT", "`-` for standard input, which is what is read in any case")
        ->check(CLI::IsMember({"-"}));
    token_command->callback([&session] { session.work = [&session] { return revoke_token(session); }; });

    CLI::App* const rotate_command = app.add_subcommand("rotate", "Make a new string for a token");
    auto rotated = std::make_shared<Target>();
    auto overlap = std::make_shared<std::string>("0");
    add_target(*rotate_command, *rotated);
    add_generation(*rotate_command, *rotated);
    rotate_command->add_option("--overlap", *overlap, "How long the old string stays good beside the new: 1h, 7d");
    auto after_rotation = std::make_shared<UnitReloadAsked>();
    add_unit_reload(*rotate_command, *after_rotation);
    add_configuration(*rotate_command, session);
    rotate_command->callback([&session, rotated, overlap, after_rotation] {
        session.work = [&session, rotated, overlap, after_rotation] { return rotate(session, *rotated, *overlap, *after_rotation); };
    });

    CLI::App* const delete_command = app.add_subcommand("delete", "Revoke a token and forget it");
    auto deleted = std::make_shared<Target>();
    add_target(*delete_command, *deleted);
    delete_command->get_option("NAME")->required();
    delete_command->callback([&session, deleted] {
        session.work = [&session, deleted] { return erase(session, *deleted); };
    });
}

}  // namespace hwvault::cli
