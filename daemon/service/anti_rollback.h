// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How what was revoked is held against an old copy of the disk: `[hardware] anti_rollback` of hwvault.toml(5). A step of
// a TPM's counter is a write to memory that wears.
#pragma once

#include <chrono>
#include <cstdint>

namespace hwvault::service {

enum class AntiRollback : std::uint8_t {
    kStrict,  // each commit that takes trust away is one step, and the answer waits for it
    kBatch,   // all of them within an interval are one step, at its end; until then nothing is protected
    kOff,     // the counter is neither moved nor looked at: an old disk is believed
};

constexpr std::chrono::milliseconds kBatchInterval = std::chrono::minutes(10);

}  // namespace hwvault::service
