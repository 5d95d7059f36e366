// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the audit trail is made of: events, and checkpoints of the device over all that came before them
// (docs/formats/audit.md). As values, and as the bytes that the chain hashes.
//
// Pure; thread-safe. Never a secret.
#pragma once

#include <cstddef>
#include <optional>
#include <variant>

#include "daemon/vault/change.h"
#include "daemon/vault/checkpoint.h"
#include "foundation/bytes.h"

namespace hwvault::audit {

// Of each text in an event, in bytes: Linux' PATH_MAX, the longest that an executable's path can be. What is
// longer is cut when it is encoded.
constexpr std::size_t kMaxTextSize = 4096;
// Of a checkpoint's signature, in bytes: a DER ECDSA-Sig-Value over P-256 has at most 72.
constexpr std::size_t kMaxSignatureSize = 256;

using Entry = std::variant<vault::Event, vault::SignedCheckpoint>;

// A text that is not one line of UTF-8 is written with \xNN for each byte that is not printable ASCII.
Bytes encode(const Entry& entry);
// Strict: nullopt for another kind, a verb that is none, a field too many or too few, a text that is too long or not one
// line; and what it does give, encodes to the same bytes again.
std::optional<Entry> decode(BytesView body);

}  // namespace hwvault::audit
