// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Texts of tokens by their number, for as many as nobody would store: who makes the vault and who verifies derive the same ones.
// They have a token's form and checksum, and are no secrets. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "crypto/token_text.h"

namespace hwvault::bench {

using DerivedText = std::array<std::uint8_t, crypto::kDefaultPrefix.size() + crypto::kTokenBodySize>;

DerivedText derived_text(std::uint64_t number);

}  // namespace hwvault::bench
