// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The sequence of the last checkpoint that was given out for signing, kept in the child's state folder.
//
// It is durable before the device signs, so that neither a restart nor a compromised hwvaultd gets a second
// signature for a place in the chain. A ledger that cannot be read refuses everything. Thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>

#include "foundation/result.h"

namespace hwvault::hardware::child {

class CheckpointLedger {
public:
    explicit CheckpointLedger(const std::filesystem::path& state) : file_(state / "last-checkpoint") {}

    // Records `sequence`; kInvalidArgument unless it is above the one before.
    Result<void> claim(std::uint64_t sequence);

private:
    Result<std::uint64_t> last() const;

    std::filesystem::path file_;
    std::mutex mutex_;
};

}  // namespace hwvault::hardware::child
