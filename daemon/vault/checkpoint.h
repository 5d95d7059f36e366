// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What a device signs of a vault's state, and the signed bytes (docs/formats/checkpoint.md): how far the audit trail
// and the epoch had come, and which records there were.
//
// The hardware child builds the bytes itself, from the fields; the store keeps the newest one; recovery checks it.
#pragma once

#include <cstdint>

#include "crypto/digest.h"
#include "foundation/bytes.h"

namespace hwvault::vault {

// All numbers as given, the digests opaque.
struct Checkpoint {
    std::uint64_t sequence{0};
    crypto::Digest previous{};
    crypto::Digest audit_head{};
    std::uint64_t epoch{0};
    crypto::Digest escrow_set{};  // docs/formats/escrow.md; zeros in a vault without recovery

    friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
// The signed bytes: a domain label and each field, tagged by its name.
Bytes checkpoint_message(const Checkpoint& checkpoint);

struct SignedCheckpoint {
    Checkpoint checkpoint;
    Bytes signature;  // DER ECDSA-Sig-Value over checkpoint_message()

    friend bool operator==(const SignedCheckpoint&, const SignedCheckpoint&) = default;
};

}  // namespace hwvault::vault
