// SPDX-License-Identifier: LGPL-2.1-or-later
//
// list, show, watch, status: what is there and what happens.
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands.h"
#include "cli/duration.h"
#include "cli/listing.h"
#include "cli/output.h"
#include "os/user.h"

namespace hwvault::cli {
namespace {

namespace json = boost::json;

// What the command line says of `list`.
struct Listed {
    std::string account;
    bool all{false};
    bool orphans{false};
    std::string unused;
    std::string expiring;
};

Answer<std::optional<std::chrono::seconds>> span_of(const std::string& text) {
    if (text.empty()) return std::optional<std::chrono::seconds>();
    HWVAULT_TRY(const std::chrono::seconds span, duration_named(text));
    return std::optional(span);
}

Answer<Exit> list(Session& session, const Listed& asked) {
    Wanted wanted{.orphans = asked.orphans, .unused = std::nullopt, .expiring = std::nullopt};
    HWVAULT_TRY(wanted.unused, span_of(asked.unused));
    HWVAULT_TRY(wanted.expiring, span_of(asked.expiring));
    // Nobody is an orphan of their own.
    const std::string account = asked.all || (asked.orphans && asked.account.empty()) ? "*" : asked.account;
    HWVAULT_TRY(std::vector<Info> infos,
                session.ask("The vault is listing ...", [&](Door& door) { return door.list(account); }));
    HWVAULT_TRY(infos, selected(std::move(infos), wanted, std::time(nullptr), os::find_user));
    json::array array;
    for (const Info& info : infos) array.push_back(to_json(info));
    HWVAULT_CHECK(session.print(infos.empty() ? "no tokens\n" : listing(infos), array));
    return kYes;
}

Answer<Exit> show(Session& session, const Target& target) {
    HWVAULT_TRY(const Info info, session.ask("The vault is looking ...", [&](Door& door) { return door.describe(target); }));
    HWVAULT_CHECK(session.print(details(info), to_json(info)));
    return kYes;
}

std::string line_of(const Event& event) {
    if (event.account.empty()) return printable(event.event) + "\n";
    return table({{event.event, event.account + "/" + event.name, "generation " + std::to_string(event.generation)}});
}

Answer<Exit> watch(Session& session, const std::string& account) {
    HWVAULT_TRY(Door* const door, session.open_door());
    HWVAULT_CHECK(door->watch(account, [&session](const Event& event) {
        // Who reads it went away: the signal or the next write ends this process.
        static_cast<void>(session.print(line_of(event), to_json(event)));
    }));
    return kYes;
}

Answer<Exit> status(Session& session) {
    HWVAULT_TRY(const Report report, session.ask("The vault is asked how it is ...", [](Door& door) { return door.status(); }));
    std::vector<std::vector<std::string>> rows;
    json::object object;
    bool serving = false;
    for (const auto& [key, value] : report) {
        if (!value.empty()) rows.push_back({key, value});
        object[key] = value;
        // Catching up with the device it serves already; only `rollback_protected` lags behind.
        if (key == "state") serving = value == "serving" || value == "catching-up";
    }
    HWVAULT_CHECK(session.print(table(rows), object));
    return serving ? kYes : kUnavailable;
}

}  // namespace

void add_view_commands(CLI::App& app, Session& session) {
    CLI::App* const list_command = app.add_subcommand("list", "List tokens");
    auto listed = std::make_shared<Listed>();
    CLI::Option* const account = list_command->add_option("--account", listed->account, "Of this account; else your own");
    list_command->add_flag("--all", listed->all, "All that you may see")->excludes(account);
    list_command->add_flag("--orphans", listed->orphans,
                           "Of users that are gone or have another uid by now; of all accounts that you may see");
    list_command->add_option("--unused", listed->unused, "Not used, as far as observed, for so long, as 90d");
    list_command->add_option("--expiring", listed->expiring, "Those that expire within so long, as 7d");
    list_command->callback([&session, listed] { session.work = [&session, listed] { return list(session, *listed); }; });

    CLI::App* const show_command = app.add_subcommand("show", "Show what is known of a token, without its string");
    auto shown = std::make_shared<Target>();
    add_target(*show_command, *shown);
    show_command->callback([&session, shown] { session.work = [&session, shown] { return show(session, *shown); }; });

    CLI::App* const watch_command = app.add_subcommand("watch", "Show tokens, and then each change as it is made");
    auto watched = std::make_shared<std::string>("*");
    watch_command->add_option("--account", *watched, "Of this account; else all that you may see");
    watch_command->callback([&session, watched] {
        session.work = [&session, watched] { return watch(session, *watched); };
    });

    CLI::App* const status_command = app.add_subcommand("status", "Tell how the vault and its hardware are");
    status_command->callback([&session] { session.work = [&session] { return status(session); }; });
}

}  // namespace hwvault::cli
