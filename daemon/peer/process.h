// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What /proc says of a calling process. It is believed only where a pidfd shows, after the reading, that the process
// it was read of is still there: a bare pid may have been given to another one meanwhile.
//
// Blocking (files of /proc and /sys); called on the resolver's threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "os/fd.h"

namespace hwvault::peer {

struct Unit {
    std::string name;        // "billing.service"
    std::string invocation;  // which run of it: 32 hexadecimal digits; empty when systemd does not say

    friend bool operator==(const Unit&, const Unit&) = default;
};

// Where systemd keeps, for all to read and for root alone to write, a link `invocation:UNIT` whose target is the id. The
// attribute of the control group says the same, and can be set by a unit that may write its own group.
inline constexpr const char* kInvocations = "/run/systemd/units";

// The unit of the process behind `pidfd`; none without one, when the process has ended, when it is in another
// namespace, in no unit, or below a control group that its unit was given to manage (`Delegate=`).
std::optional<Unit> unit_of(const os::Fd& pidfd, const std::filesystem::path& invocations = kInvocations);

// The path of its executable, a hint: empty when it cannot be read. Takes the pid from `pidfd` where there is one.
std::string executable_of(const os::Fd& pidfd, std::int32_t pid);

}  // namespace hwvault::peer
