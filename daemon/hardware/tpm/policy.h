// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What must hold for the authorization values to come out of the TPM: PCR values of the SHA-256 bank (TPM2_PolicyPCR),
// a PIN (TPM2_PolicyAuthValue), or both (TPM 2.0 Part 3, section 23).
#pragma once

#include "daemon/hardware/tpm/session.h"
#include "daemon/hardware/tpm/tpm.h"

namespace hwvault::hardware::tpm {

struct Policy {
    PcrValues pcrs;
    bool pin{false};
};

// The present values of these PCRs. kInvalidArgument when the TPM has no such PCR, or no SHA-256 bank.
Result<PcrValues> read_pcrs(Context& context, Session& session, const std::vector<unsigned>& pcrs);

// Goes through the policy's commands in a policy session, with the PCR values of now. Whether those are the right ones,
// the TPM says when the session is used.
Result<void> follow(Context& context, Session& session, const Policy& policy);
// What an object bound to the policy has as its authPolicy. Computed here and not by a trial session: whoever could change
// what the TPM says of it could loosen the policy.
crypto::Digest digest_of(const Policy& policy);

// "PCR 7, 11 and a PIN", for a person; "none".
std::string words(const Policy& policy);

}  // namespace hwvault::hardware::tpm
