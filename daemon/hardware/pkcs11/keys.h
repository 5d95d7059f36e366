// SPDX-License-Identifier: LGPL-2.1-or-later
//
// hwvault's two keys in the token: the root key, a secret key for CKM_SHA256_HMAC, and the P-256 signing key.
//
// A key is taken only if it is sensitive, never extractable and local, as the token itself says each time it is
// opened, and if it is the only one with its label. Nothing here deletes a key.
#pragma once

#include <optional>

#include "daemon/hardware/pkcs11/objects.h"

namespace hwvault::hardware::pkcs11 {

struct Key {
    CK_OBJECT_HANDLE handle{0};
    KeyDescription description;
};

struct Keys {
    Key root;
    Key signing;
};

// nullopt when there is none; kHardwareUnavailable when there are two or it is not what it must be.
Result<std::optional<Key>> find_root_key(const Session& session);
Result<std::optional<Key>> find_signing_key(const Session& session);
// kNotInitialised when one is missing.
Result<Keys> find_keys(const Session& session);

// `session` has write access. kInvalidArgument, with what to type, when the module cannot make secret keys.
Result<void> generate_root_key(const Session& session);
Result<void> generate_signing_key(const Session& session);

// HMAC-SHA-256 of `input` under the root key, inside the token.
Result<SecretBytes> hmac(const Session& session, const Key& root, BytesView input);

}  // namespace hwvault::hardware::pkcs11
