// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The part of hwvault.toml that the hardware child reads: `[hardware]`. Every other table is another program's.
//
// Strict: an unknown key, a wrong type or a missing value is refused with the file's name and line, so that a
// misspelt key never means a default.
#pragma once

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "foundation/result.h"

namespace hwvault::hardware::child {

constexpr std::size_t kMaxConfigSize = 64 * 1024;  // bytes

// kind = "pkcs11"
struct Pkcs11Config {
    std::filesystem::path module;  // absolute path of the PKCS#11 module
    std::string serial;            // of the one token that is used
};

// kind = "tpm"
struct TpmConfig {
    std::string tcti{"device:/dev/tpmrm0"};  // the way to the TPM, as tpm2-tss writes it
    std::vector<unsigned> pcrs;              // what `init` and `reseal` bind to; ascending, each once
};

struct HardwareConfig {
    std::variant<Pkcs11Config, TpmConfig> device;
    std::string pin_credential;  // the systemd credential that holds the PIN; empty: --pin-file, or none
};

// kInvalidArgument says what is wrong and on which line; kNotFound when there is no file.
Result<HardwareConfig> read_config(const std::filesystem::path& file);

}  // namespace hwvault::hardware::child
