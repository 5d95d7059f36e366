// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The authorization values of the keys and of the counter: three random ones, made at setup, that only the hardware
// child is given. They lie in one file of mode 0600: as they are, or sealed in the TPM by choice, bound to PCR values, to
// a PIN, or to both. Sealed anew they are the same values, so that no key and no token changes with a policy.
#pragma once

#include <optional>
#include <vector>

#include "daemon/hardware/tpm/keys.h"
#include "daemon/hardware/tpm/policy.h"

namespace hwvault::hardware::tpm {

constexpr std::size_t kAuthorizationSize = 32;  // bytes, what a SHA-256 object takes

struct Authorizations {
    SecretBytes root;
    SecretBytes signing;
    SecretBytes counter;

    static Result<Authorizations> random();
    [[nodiscard]] SecretBytes joined() const;
    static std::optional<Authorizations> split(const SecretBytes& joined);
};

// The content of the file.
struct SealedAuthorizations {
    Policy policy;
    Blob blob;
};
struct AuthorizationFile {
    SecretBytes plain;                         // joined(); empty when they are sealed
    std::vector<SealedAuthorizations> sealed;  // any of them opens

    [[nodiscard]] bool needs_pin() const { return !sealed.empty() && sealed.front().policy.pin; }
};
SecretBytes encode(const AuthorizationFile& file);
std::optional<AuthorizationFile> decode_authorizations(const SecretBytes& bytes);

// To each policy; without any they stay as they are.
Result<AuthorizationFile> seal(const UnderPrimary& in, const Authorizations& authorizations,
                               const std::vector<Policy>& policies, const SecretBytes& pin);
// kHardwareLocked when no policy is satisfied, naming the PCRs that moved, or when the PIN is not there or wrong.
Result<Authorizations> unseal(const UnderPrimary& in, const AuthorizationFile& file, const SecretBytes& pin);

}  // namespace hwvault::hardware::tpm
