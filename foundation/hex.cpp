// SPDX-License-Identifier: LGPL-2.1-or-later
#include "foundation/hex.h"

#include <algorithm>
#include <charconv>
#include <system_error>

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

bool bytes_of_hex(std::string_view text, std::span<std::uint8_t> bytes) {
    if (text.size() != 2 * bytes.size()) return false;
    return std::all_of(bytes.begin(), bytes.end(), [&](std::uint8_t& byte) {
        const char* const end = text.data() + 2;
        const auto read = std::from_chars(text.data(), end, byte, 16);
        text.remove_prefix(2);
        return read.ec == std::errc() && read.ptr == end;
    });
}

}  // namespace hwvault
