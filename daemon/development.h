// SPDX-License-Identifier: LGPL-2.1-or-later
//
// `hwvaultd --dev DIR`: a whole vault below one folder, made on first use: a SoftHSM2 token of its own, its PIN, the
// configuration, the keys. A second start finds the same vault and the same device.
//
//     DIR/hwvault.toml  DIR/softhsm2.conf  DIR/tokens/  DIR/hardware/ (PIN, the child's state)  DIR/state/  DIR/run/
//
// For development: a SoftHSM2 token is a file. It is used because it was asked for, never instead of hardware.
#pragma once

#include <filesystem>

#include "daemon/hardware/child_process.h"
#include "daemon/settings.h"
#include "foundation/result.h"

namespace hwvault {

struct Development {
    Settings settings;
    hardware::Spawn child;  // how to start the hardware child on DIR
};

// `program` is the path of hwvault-hardware. Runs its `create-token` and `init` where DIR has none yet.
Result<Development> prepare_development(const std::filesystem::path& folder, const std::filesystem::path& program);

}  // namespace hwvault
