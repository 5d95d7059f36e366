// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The cryptography of ESAPI's sessions. tpm2-tss looks up every OpenSSL object anew for each step, in a library context
// of its own, which takes milliseconds for each encrypted command; tpm2-tss 4 and newer take ours in its place
// (crypto/tpm_session.h).
#pragma once

#include <tss2/tss2_esys.h>

namespace hwvault::hardware::tpm {

// With tpm2-tss 3 it does nothing.
TSS2_RC use_own_crypto(ESYS_CONTEXT* esys);

}  // namespace hwvault::hardware::tpm
