// SPDX-License-Identifier: LGPL-2.1-or-later
//
// AES-256-GCM (NIST SP 800-38D) for keys that seal one message and are never used again.
//
// Because each key is fresh, the nonce is twelve zero bytes: there is no second message it could collide with,
// and no caller can choose one. Sealed form: ciphertext, then the 16-byte tag.
#pragma once

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

constexpr std::size_t kSealKeySize = 32;
constexpr std::size_t kSealTagSize = 16;

// `key` is kSealKeySize bytes and used for this call only. kInternal when OpenSSL refuses.
Result<Bytes> seal_once(const SecretBytes& key, BytesView associated, BytesView plaintext);

// kStoreTampered when the tag does not match: another key, other associated data, or changed bytes.
Result<SecretBytes> open_sealed(const SecretBytes& key, BytesView associated, BytesView sealed);

}  // namespace hwvault::crypto
