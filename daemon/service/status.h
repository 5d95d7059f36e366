// SPDX-License-Identifier: LGPL-2.1-or-later
//
// How the vault is: what `Status` answers on every door, and `hwvault status` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace hwvault::service {

struct Status {
    // "serving", "starting", "catching-up", "not-initialised", "hardware-unavailable", "hardware-locked",
    // "store-tampered", "rolled-back", "failed" (it could not be opened)
    std::string state;
    std::string message;  // a sentence; what to do next when it is not serving
    std::string version;
    std::string hardware_kind;    // "pkcs11", "tpm"; empty until the device was seen
    std::string hardware_model;
    std::string hardware_serial;
    std::string hardware_state;   // "available", or the error's word
    std::string hardware_policy;  // what the keys are bound to besides the device: "a PIN", "PCR 7", "none"
    std::string rollback_protection;  // "none", "pin-writable", "counter"
    std::string policy_digest;    // of the rules in force: the first 8 bytes, in hexadecimal
    std::string reload_error;     // why the latest configuration and rules were not taken, with file and line; empty: they were
    std::string memory_lock;      // "memfd_secret", "mlock", "unlocked"
    std::uint64_t epoch{0};
    std::uint64_t epoch_pending{0};  // revocations that the device has yet to be told of
    // Changes that the device has yet to sign, and that recovery would not bring back; none in a vault without recovery.
    std::optional<std::uint64_t> recovery_pending;
    std::uint64_t accounts{0};
    std::uint64_t tokens{0};
    std::uint64_t verified{0};           // verifications since the start that were asked for here
    std::uint64_t verified_inactive{0};  // and how many of these were not active
    std::uint64_t audit_sequence{0};  // of the latest entry of the audit trail
    std::string audit_head;           // its hash, in hexadecimal
    std::uint64_t audit_written{0};   // the audit files have the entries up to this one
    std::string audit_error;          // what is wrong with them; empty: nothing
    std::string store_error;          // and with the store's disk
    std::uint64_t started_at{0};     // Unix seconds
};

}  // namespace hwvault::service
