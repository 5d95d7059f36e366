// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/hex.h"

namespace hwvault {

std::string hex_of(BytesView bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const std::uint8_t byte : bytes) {
        text.push_back(kDigits[byte >> 4]);
        text.push_back(kDigits[byte & 0x0f]);
    }
    return text;
}

}  // namespace hwvault
