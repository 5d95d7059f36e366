// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hardware::Device over a TPM 2.0, through tpm2-tss ESAPI. The root key is a keyed-hash HMAC key, the signing key an
// ECC P-256 key; both were born in this TPM and are fixed to it. They lie as blobs in the child's folder, under a
// storage primary that is made again at each start and must have the name it had at setup: another TPM, or one that
// somebody put in between, has another. Nothing is made persistent in the TPM but one NV counter, the epoch.
//
// Every command with a secret, and every answer that something is decided by, travels in a session salted with the primary,
// with parameter encryption in both directions: a probe on the bus sees ciphertext. Each key and the counter has a random authorization value of its own
// (authorizations.h). By choice those values are sealed in the TPM, bound to PCR values, to a PIN, or to both.
//
// Used in the child process only. Every error names the call, the TPM's code, the TPM, and what to try.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "crypto/digest.h"
#include "daemon/hardware/device.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware::tpm {

constexpr unsigned kMaxPcr = 23;  // the highest PCR of the PC Client profile

// Values of PCRs in the SHA-256 bank.
using PcrValues = std::map<unsigned, crypto::Digest>;

struct Config {
    std::string tcti;              // [hardware] tcti, as tpm2-tss writes it: "device:/dev/tpmrm0"
    std::filesystem::path folder;  // of the blobs; mode 0700
    std::vector<unsigned> pcrs;    // [hardware] pcrs: what init and reseal bind to; empty: to none
};

// Whether the keys in `folder` need a PIN to be used. kNotInitialised when there are none.
Result<bool> needs_pin(const std::filesystem::path& folder);

// Opens the device. `pin` is empty where none is needed. kNotInitialised when there are no keys, or the TPM was cleared
// since; kHardwareUnavailable for another TPM than the one of setup, for damaged blobs, and for all else that fails;
// kHardwareLocked when the PIN is wrong, the TPM is locked out, or a PCR moved.
Result<std::unique_ptr<Device>> open(const Config& config, const SecretBytes& pin);

// Makes keys and counter where there are none, uses each once, and only then moves them to their place. With keys that
// are there it makes nothing but a counter that somebody removed. `pin` is empty: the keys need none.
Result<Description> initialise(const Config& config, const SecretBytes& pin);

// Seals the same authorization values anew: to `pin` and to config.pcrs, to their present values and, if given, also to
// `expected` ones, so that either opens. No key changes, so no token does. It needs what opens the keys now:
// `current_pin`, and PCR values that fit.
Result<Description> reseal(const Config& config, const SecretBytes& current_pin, const SecretBytes& pin,
                           const PcrValues& expected);

}  // namespace hwvault::hardware::tpm
