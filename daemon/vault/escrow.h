// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The text that is encrypted to the recovery recipient: a token's string, and the place that it belongs to
// (docs/formats/escrow.md). One JSON object, so that a person with the key and openssl can read it.
//
// Pure. The text and the string lie in locked memory only.
#pragma once

#include <cstdint>

#include "daemon/vault/record.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::vault {

// The place of the current generation's string.
struct EscrowPlace {
    const Id& vault;
    const Account& account;
    const Token& token;
};

// `epoch` is the vault's now.
SecretBytes escrow_text(const EscrowPlace& place, std::uint64_t epoch, BytesView string);

// The string in a text that was decrypted; kStoreTampered when it is no such text, or one of another place.
Result<SecretBytes> string_in_escrow(const EscrowPlace& place, BytesView text);

}  // namespace hwvault::vault
