// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which tokens `list` shows, of those that the vault gave: all, or what an administrator looks for.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/door.h"
#include "os/user.h"

namespace hwvault::cli {

// Each that is given must hold.
struct Wanted {
    bool orphans{false};                           // of a user that there is not any more, or that has another uid now
    std::optional<std::chrono::seconds> unused;    // not used, as far as observed, nor made, for so long
    std::optional<std::chrono::seconds> expiring;  // ends within that, and lives now
};

// How a user of this machine is found: os::find_user(), or a test's.
using FindUser = std::function<Result<os::User>(const std::string& name)>;

// `now` in Unix seconds. An error is the name service's: without it nobody knows who is an orphan.
Answer<std::vector<Info>> selected(std::vector<Info> infos, const Wanted& wanted, std::int64_t now, const FindUser& find);

}  // namespace hwvault::cli
