// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Other programs: run to their end, or beside this one. No shell is involved.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "foundation/result.h"

namespace hwvault::os {

struct Program {
    std::filesystem::path path;            // a name without a slash is looked for in $PATH
    std::vector<std::string> arguments;    // without the program's own name; never a secret
    std::vector<std::string> environment;  // "NAME=value", beside or in place of this process's own
};

// What it printed on standard output, at most 64 KiB. kInternal, naming the program and how it ended, when it did not
// exit with 0; its standard error goes where ours goes. Blocks.
Result<std::string> run(const Program& program);

// Starts it and does not wait. It ends when the thread that calls this ends, however that comes about: the kernel sees
// to it (PR_SET_PDEATHSIG, by way of setpriv(1)). Its output goes nowhere. kInternal when it cannot be started.
Result<void> run_beside(const Program& program);

// Waits until something accepts connections at a Unix stream socket; false when nothing did.
bool wait_for_socket(const std::filesystem::path& socket, std::chrono::milliseconds patience);

// The folder of this process's own executable.
std::filesystem::path own_folder();

}  // namespace hwvault::os
