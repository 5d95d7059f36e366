// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bytes as hexadecimal digits, for what is not secret: ids and fingerprints.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "foundation/bytes.h"

namespace hwvault {

// Two lower-case digits a byte.
std::string hex_of(BytesView bytes);
// Fills `bytes` from exactly two digits each, of either case; false, with `bytes` as they may be, for another text.
bool bytes_of_hex(std::string_view text, std::span<std::uint8_t> bytes);

}  // namespace hwvault
