// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The one way to a PIN try. A PIN that the device rejected is put on record before anything else happens, and is
// not tried again, by this process or a later one, until the credential holds another: three crashes and restarts
// with a wrong PIN would lock most tokens for good.
//
// The record is a salted scrypt of the PIN (crypto/pin_record.h), for one token, 0600 in the state folder. It is
// computed, and its place on the disk reserved, before the try, so that not even a full disk loses a rejection; of
// a PIN that was not rejected nothing reaches the disk. A record that cannot be read counts as a rejection. A
// success removes it. Thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::hardware::child {

class PinGate {
public:
    using ReadPin = std::function<Result<SecretBytes>()>;
    // True for a kHardwareLocked with which the device does not say that it rejected the PIN: it did not look at it, or
    // gave no reason. Such a PIN is refused by this process only.
    using ProvesNothing = std::function<bool(const Error&)>;

    // `state` is the folder of the record; `token` names the device, by its serial.
    PinGate(const std::filesystem::path& state, std::string token, ReadPin read_pin, ProvesNothing proves_nothing);

    // Reads the PIN and calls `attempt` with it; kHardwareLocked without a call when this PIN must not be tried. An
    // attempt ends with its first login that fails, so that it costs one try at most (pkcs11::initialise logs in twice).
    // After a failure that may have been a rejection, though it does not say so, this process does not try the same PIN
    // again either: only kHardwareUnavailable, kNotInitialised and kBusy are known to be none.
    template <class Attempt>
    auto with_pin(const Attempt& attempt) -> decltype(attempt(std::declval<const SecretBytes&>()));

    // The device that the last PIN had opened says kHardwareLocked: the PIN is not good any more.
    void withdraw(const Error& why);

private:
    Result<SecretBytes> admit();
    Result<void> refuse_if_on_record(const SecretBytes& pin) const;
    Result<void> prepare_record(const SecretBytes& pin);
    // Draws the conclusions from how an attempt ended; gives the error to answer with, if any.
    std::optional<Error> settle(const SecretBytes& pin, std::optional<Error> failure);

    const std::filesystem::path record_;
    const std::filesystem::path reserve_;  // becomes record_ by a rename
    const std::string token_;
    const ReadPin read_pin_;
    const ProvesNothing proves_nothing_;

    std::mutex mutex_;
    SecretBytes tried_;             // the last one that was, or is about to be
    Bytes prepared_record_;         // of that one
    SecretBytes refused_;           // not to be tried again by this process
    std::optional<Error> refusal_;  // why
};

template <class Attempt>
auto PinGate::with_pin(const Attempt& attempt) -> decltype(attempt(std::declval<const SecretBytes&>())) {
    const std::lock_guard lock(mutex_);
    HWVAULT_TRY(const SecretBytes pin, admit());
    auto result = attempt(pin);
    std::optional<Error> failure;
    if (!result) failure = result.error();
    if (failure = settle(pin, std::move(failure)); failure) return *std::move(failure);
    return result;
}

}  // namespace hwvault::hardware::child
