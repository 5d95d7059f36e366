// SPDX-License-Identifier: LGPL-2.1-or-later
//
// revoke, revoke-token, rotate, delete: where trust is taken away.
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/output.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

// The device may have to be told, and a device takes its time.
constexpr const char* kRevoking = "The vault is revoking ...";

Answer<Exit> revoke(Session& session, const Target& target) {
    HWVAULT_TRY(const Info info, session.ask(kRevoking, [&](Door& door) { return door.revoke(target); }));
    HWVAULT_CHECK(session.print((info.revoked ? "revoked\n" : "revoked; its successor:\n") + details(info), to_json(info)));
    return kYes;
}

Answer<Exit> revoke_token(Session& session) {
    HWVAULT_TRY(const SecretBytes token, read_token());
    HWVAULT_CHECK(session.ask(kRevoking, [&](Door& door) { return door.revoke_token(token.reveal()); }));
    HWVAULT_CHECK(session.print("If this was a token of the vault, it is revoked.\n", json::object{{"revoked", true}}));
    return kYes;
}

Answer<Exit> rotate(Session& session, const Target& target, const std::string& overlap) {
    HWVAULT_TRY(const std::chrono::seconds span, duration_named(overlap));
    HWVAULT_TRY(const Info info, session.ask("The vault is rotating the token ...",
                                             [&](Door& door) { return door.rotate(target, span); }));
    HWVAULT_CHECK(session.print("rotated\n" + details(info), to_json(info)));
    return kYes;
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
    revoke_command->callback([&session, revoked] {
        session.work = [&session, revoked] { return revoke(session, *revoked); };
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
    rotate_command->callback([&session, rotated, overlap] {
        session.work = [&session, rotated, overlap] { return rotate(session, *rotated, *overlap); };
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
