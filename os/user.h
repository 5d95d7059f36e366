// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A user as the name service knows it, with its groups. Blocks for as long as that takes: for programs that a person
// waits for, never for the daemon, which asks on threads of its own (daemon/peer/name_service.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "foundation/result.h"

namespace hwvault::os {

struct User {
    std::uint32_t uid{0};
    std::vector<std::string> groups;  // the names of those it is in, the primary one among them
};

// kNotFound when there is no such user; kInternal when the name service failed.
Result<User> find_user(const std::string& name);

}  // namespace hwvault::os
