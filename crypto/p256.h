// SPDX-License-Identifier: LGPL-2.1-or-later
//
// ECDSA with P-256 and SHA-256 (FIPS 186-5): checking what a device signed, and the standard form of keys and signatures
// that a device gives as bare numbers. Numbers are big-endian, at most 32 bytes. Thread-safe.
#pragma once

#include "foundation/bytes.h"
#include "foundation/result.h"

namespace hwvault::crypto {

// `public_key` is a DER SubjectPublicKeyInfo, `signature` a DER ECDSA-Sig-Value (RFC 3279). False when the
// signature is another's; kInvalidArgument when the key is no P-256 key.
Result<bool> verify_p256(BytesView public_key, BytesView message, BytesView signature);

// The DER SubjectPublicKeyInfo (RFC 5480) of the point; kInvalidArgument when it is not on the curve.
Result<Bytes> p256_public_key(BytesView x, BytesView y);

// The DER ECDSA-Sig-Value (RFC 3279) of the pair.
Result<Bytes> p256_signature(BytesView r, BytesView s);

}  // namespace hwvault::crypto
