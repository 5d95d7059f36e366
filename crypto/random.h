// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Random bytes from OpenSSL's generator, into which the hardware's own are mixed at start. Thread-safe.
#pragma once

#include "foundation/bytes.h"
#include "foundation/result.h"

namespace hwvault::crypto {

// Fills `bytes`; kInternal when the generator has no entropy.
Result<void> fill_random(std::span<std::uint8_t> bytes);

// Adds the device's random bytes; never makes the generator weaker, so it counts for no entropy.
void mix_into_generator(BytesView bytes);

}  // namespace hwvault::crypto
