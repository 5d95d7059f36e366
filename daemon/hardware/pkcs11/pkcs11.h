// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hardware::Device over a PKCS#11 module (PKCS#11 2.40): libp11 loads the module, finds the token by its serial,
// logs in and signs with the EC key; the root key is a secret key inside the token, used with CKM_SHA256_HMAC
// through the module's own function list, since libp11 has no symmetric calls.
//
// Used in the child process only. No call falls back to another token or to software. Every error names the call,
// the CKR by its name, the token, and what to try.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "daemon/hardware/device.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware::pkcs11 {

constexpr std::string_view kRootKeyLabel = "hwvault-root";
constexpr std::string_view kSigningKeyLabel = "hwvault-signing";
constexpr std::string_view kEpochObjectLabel = "hwvault-epoch";  // or begins with it

struct Config {
    std::filesystem::path module;  // [hardware] module
    std::string serial;            // [hardware] serial; the token must have exactly this one
};

// Logs in once with `pin` and opens the device. Both keys must be there, and are held to it that they are
// sensitive, never extractable and local. kNotInitialised when a key is missing ("run hwvault init");
// kHardwareLocked when the PIN is wrong, or may be; also when CKF_USER_PIN_COUNT_LOW, FINAL_TRY or LOCKED is set: then
// no login is tried. kHardwareUnavailable when the token is not there or another, and for all else that fails: after
// any error but kHardwareLocked the same PIN may be tried again.
Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin);

// Makes the keys that are missing, and the epoch object where the token stores data objects, uses each once, and
// describes the device. Where the module cannot make a secret key (tpm2-pkcs11), one made beforehand with the
// label is taken; if there is none, kInvalidArgument says what to type. Deletes nothing.
Result<Description> initialise(const Config& config, const SecretBytes& pin);

// For development and tests: initialises the first slot without an initialised token, and gives its serial.
Result<std::string> create_token(const std::filesystem::path& module, const std::string& label, const SecretBytes& pin,
                                 const SecretBytes& so_pin);

}  // namespace hwvault::hardware::pkcs11
