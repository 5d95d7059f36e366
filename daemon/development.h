// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `hwvaultd --dev DIR [--hardware softhsm|swtpm]`: a whole vault below one folder, made on first use: a simulated device
// of its own, the configuration, the keys. A second start finds the same vault and the same device.
//
//     DIR/hwvault.toml  DIR/hardware/ (PIN, the child's state)  DIR/state/  DIR/log/  DIR/run/  DIR/policy.d/ (rules, if you make it)
//     softhsm: DIR/softhsm2.conf  DIR/tokens/      swtpm: DIR/swtpm/ (the TPM's state and its socket)
//
// For development: a simulated device is a file. It is used because it was asked for, never instead of hardware.
#pragma once

#include <cstdint>
#include <filesystem>

#include "daemon/hardware/child_process.h"
#include "daemon/settings.h"
#include "foundation/result.h"

namespace hwvault {

// What --dev simulates. kAsBefore: what DIR has, and for a new one SoftHSM2.
enum class Simulated : std::uint8_t { kAsBefore, kSoftHsm, kSwtpm };

struct Development {
    Settings settings;
    hardware::Spawn child;  // how to start the hardware child on DIR
};

// `program` is the path of hwvault-hardware. Runs its `create-token` and `init` where DIR has none yet. A simulated TPM
// is started beside this process and ends with it. kInvalidArgument when DIR has the other device.
Result<Development> prepare_development(const std::filesystem::path& folder, Simulated simulated,
                                        const std::filesystem::path& program);

// What DIR/hwvault.toml says, with what --dev itself decides put in.
Result<Settings> development_settings(const std::filesystem::path& folder);

}  // namespace hwvault
