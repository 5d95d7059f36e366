// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Runs another program to its end. No shell is involved.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "foundation/result.h"

namespace hwvault::os {

struct Program {
    std::filesystem::path path;
    std::vector<std::string> arguments;    // without the program's own name; never a secret
    std::vector<std::string> environment;  // "NAME=value", beside or in place of this process's own
};

// What it printed on standard output, at most 64 KiB. kInternal, naming the program and how it ended, when it did not
// exit with 0; its standard error goes where ours goes. Blocks.
Result<std::string> run(const Program& program);

// The folder of this process's own executable.
std::filesystem::path own_folder();

}  // namespace hwvault::os
