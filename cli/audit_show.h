// SPDX-License-Identifier: LGPL-2.1-or-later
//
// audit show, and the options that it has in common with audit verify.
#pragma once

#include <string>
#include <vector>

#include <CLI/App.hpp>

#include "cli/session.h"

namespace hwvault::cli {

void add_audit_show(CLI::App& group, Session& session);
// [FILE...] and --config.
void add_audit_file_options(CLI::App& command, Session& session, std::vector<std::string>& files);

}  // namespace hwvault::cli
