// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The part of hwvault.toml that the hardware child reads: `[hardware]`. Every other table is another program's.
//
// Strict: an unknown key, a wrong type or a missing value is refused with the file's name and line, so that a
// misspelt key never means a default.
#pragma once

#include <filesystem>
#include <string>

#include "foundation/result.h"

namespace hwvault::hardware::child {

constexpr std::size_t kMaxConfigSize = 64 * 1024;  // bytes

struct HardwareConfig {
    std::filesystem::path module;  // absolute path of the PKCS#11 module
    std::string serial;            // of the one token that is used
    std::string pin_credential;    // the systemd credential that holds the PIN; empty: --pin-file
};

// kInvalidArgument says what is wrong and on which line; kNotFound when there is no file.
Result<HardwareConfig> read_config(const std::filesystem::path& file);

}  // namespace hwvault::hardware::child
