// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The subcommands. Each function adds some to `app`; the one that the command line names leaves its work in the
// session, which must outlive `app`.
#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "cli/session.h"

namespace hwvault::cli {

void add_token_commands(CLI::App& app, Session& session);   // get verify create import
void add_change_commands(CLI::App& app, Session& session);  // revoke revoke-token rotate delete
void add_view_commands(CLI::App& app, Session& session);    // list show watch status
// `command` is what followed "--" on the command line.
void add_run_command(CLI::App& app, Session& session, const std::vector<std::string>& command);
void add_setup_commands(CLI::App& app, Session& session);   // init recover
void add_reseal_command(CLI::App& app, Session& session);
void add_unit_commands(CLI::App& app, Session& session);    // units
void add_policy_commands(CLI::App& app, Session& session);  // policy check|explain|who
void add_audit_commands(CLI::App& app, Session& session);   // audit verify|show
void add_doctor_command(CLI::App& app, Session& session);

// --config.
void add_configuration(CLI::App& command, Session& session);
// NAME and --account, as most subcommands have them.
void add_target(CLI::App& command, Target& target);

}  // namespace hwvault::cli
