// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bytes as hexadecimal digits, for what is not secret: ids and fingerprints.
#pragma once

#include <string>

#include "foundation/bytes.h"

namespace hwvault {

// Two lower-case digits a byte.
std::string hex_of(BytesView bytes);

}  // namespace hwvault
