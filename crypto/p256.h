// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ECDSA with P-256 and SHA-256 (FIPS 186-5): checking what a device signed.
#pragma once

#include "foundation/bytes.h"
#include "foundation/result.h"

namespace hwvault::crypto {

// `public_key` is a DER SubjectPublicKeyInfo, `signature` a DER ECDSA-Sig-Value (RFC 3279). False when the
// signature is another's; kInvalidArgument when the key is no P-256 key.
Result<bool> verify_p256(BytesView public_key, BytesView message, BytesView signature);

}  // namespace hwvault::crypto
