// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault: the vault on the command line.
//
// Tokens come in on standard input and go out on standard output, a terminal's clipboard or a child's environment;
// never in an argument. Exit codes: 0 yes, 1 no, 2 wrongly asked, 3 vault or hardware not available.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <sys/prctl.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "cli/output.h"

namespace hwvault::cli {
namespace {

// No core file and no debugger of the same user shows what passes through here. Ends with execve(2), so that what
// `run` starts is as it would be without.
void harden() {
    ::prctl(PR_SET_DUMPABLE, 0);
}

void add_settings(CLI::App& app, Settings& settings) {
    app.add_option("--address", settings.address, "Path of the vault's socket; else $HWVAULT_ADDRESS, else the system's");
    app.add_option("--door", settings.door, "socket, or dbus for the system bus")
        ->check(CLI::IsMember({"socket", "dbus"}));
    app.add_option("--timeout", settings.timeout, "How long each call may take")->capture_default_str();
    app.add_flag("--json", settings.json, "Print JSON, for programs");
    app.set_version_flag("--version", std::string("hwvault " HWVAULT_VERSION));
}

int run(std::vector<std::string> arguments) {
    // What follows "--" is another program's command line and is kept away from this one's parser.
    const auto separator = std::find(arguments.begin(), arguments.end(), "--");
    std::vector<std::string> command;
    if (separator != arguments.end()) command.assign(separator + 1, arguments.end());
    arguments.erase(separator, arguments.end());

    Session session;
    CLI::App app{"Access tokens from a vault whose keys live in hardware", "hwvault"};
    app.fallthrough();
    app.require_subcommand(1);
    add_settings(app, session.settings);
    add_token_commands(app, session);
    add_change_commands(app, session);
    add_view_commands(app, session);
    add_run_command(app, session, command);
    add_setup_commands(app, session);
    add_reseal_command(app, session);
    add_unit_commands(app, session);
    add_policy_commands(app, session);
    add_audit_commands(app, session);
    add_doctor_command(app, session);
    try {
        std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kYes : kUsage;
    }
    const Answer<Exit> outcome = session.work();
    if (outcome) return *outcome;
    session.report(outcome.error());
    return exit_of(outcome.error());
}

}  // namespace
}  // namespace hwvault::cli

int main(int argc, char** argv) {
    hwvault::cli::harden();
    try {
        return hwvault::cli::run({argv + 1, argv + argc});
    } catch (const std::exception& defect) {  // memory that ran out, or a defect
        std::fprintf(stderr, "hwvault: %s\n", hwvault::cli::printable(defect.what()).c_str());
        return hwvault::cli::kUnavailable;
    }
}
