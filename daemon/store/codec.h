// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Accounts and tokens as the bytes of a record's body (docs/formats/store.md), made of foundation/fields.h.
//
// Strict: decoding gives nullopt for another format number, a field too many or too few, a count or a length above
// its cap, or a name outside the grammar; and what it does give, encodes to the same bytes again.
#pragma once

#include <optional>

#include "daemon/vault/record.h"
#include "foundation/bytes.h"

namespace hwvault::store {

Bytes encode(const vault::Account& account);
// Each of its generations has its nonce; else what comes of it is no record.
Bytes encode(const vault::Token& token);
std::optional<vault::Account> decode_account(BytesView body);
std::optional<vault::Token> decode_token(BytesView body);

}  // namespace hwvault::store
