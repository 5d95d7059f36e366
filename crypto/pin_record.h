// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Remembers a PIN that a device rejected, without keeping the PIN: a salted scrypt (RFC 7914) of it. So the
// same wrong PIN is not tried again until the device locks, and the record helps nobody to find a right one.
#pragma once

#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

constexpr std::size_t kPinSaltSize = 16;

// 32 bytes; costs about 64 MiB and a tenth of a second, by intent.
Result<Bytes> hash_pin(const SecretBytes& pin, BytesView salt);

}  // namespace hwvault::crypto
