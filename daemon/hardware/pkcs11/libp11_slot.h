// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What libp11 does for a logged-in token: signatures with the EC key as an EVP_PKEY, and random bytes.
//
// libp11 has sessions of its own. Up to 0.4.13 it waits for ever when it has none and cannot open one, so calls
// into it are made one at a time, which keeps its one session idle between calls, and only after the token has
// answered a moment before. A session that the token has dropped is an error here, not a hang: reconnect.
#pragma once

#include <memory>
#include <mutex>

#include "crypto/handles.h"
#include "daemon/hardware/pkcs11/session.h"
#include "foundation/bytes.h"

namespace hwvault::hardware::pkcs11 {

// Thread-safe. The token outlives it.
class Libp11Slot {
public:
    // Finds the signing key. `session` is logged in, and shows that the token answers.
    static Result<std::unique_ptr<Libp11Slot>> open(const Session& session);

    // ECDSA P-256 with SHA-256, DER. `session` is any live one of this token.
    Result<Bytes> sign(const Session& session, BytesView message);
    Result<SecretBytes> random(const Session& session, std::size_t size);
    [[nodiscard]] const Bytes& public_key() const { return public_key_; }  // DER SubjectPublicKeyInfo

private:
    Libp11Slot(const Token& token, crypto::Pkey key) : token_(token), key_(std::move(key)) {}
    Result<void> read_public_key();

    const Token& token_;
    std::mutex mutex_;
    crypto::Pkey key_;
    Bytes public_key_;
};

}  // namespace hwvault::hardware::pkcs11
