// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The recovery recipient of a vault: read from its file, held against the store, and encrypted to (docs/formats/escrow.md).
#pragma once

#include <filesystem>
#include <optional>

#include "crypto/cms.h"
#include "daemon/vault/escrow.h"
#include "foundation/result.h"

namespace hwvault::service {

// `[recovery] recipient`; none for an empty path. kNotFound, or kInvalidArgument when it is no recipient, naming the file.
Result<std::optional<crypto::Recipient>> read_recipient(const std::filesystem::path& file);

// That the configured one is the one the store was made with, or both have none; kInvalidArgument says what to type.
Result<void> check_recipient(const std::optional<crypto::Recipient>& configured,
                             const std::optional<crypto::Digest>& on_record);

// The escrow of the string that is the token's current one. Some tenths of a millisecond; never on the strand.
Result<Bytes> make_escrow(const crypto::Recipient& recipient, const vault::EscrowPlace& place, std::uint64_t epoch,
                          BytesView string);

}  // namespace hwvault::service
