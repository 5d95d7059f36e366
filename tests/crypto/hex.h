// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Bytes as the hexadecimal of published test vectors, and back. Blanks are skipped.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

inline std::string to_hex(BytesView bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
        text += "0123456789abcdef"[byte >> 4];
        text += "0123456789abcdef"[byte & 0xF];
    }
    return text;
}

inline Bytes from_hex(std::string_view text) {
    std::string digits;
    std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != ' '; });
    if (digits.size() % 2 != 0) throw std::invalid_argument("an odd number of hexadecimal digits");
    Bytes bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

inline SecretBytes secret_from_hex(std::string_view text) {
    return SecretBytes::copy_of(from_hex(text));
}

template <std::size_t N>
std::array<std::uint8_t, N> array_from_hex(std::string_view text) {
    const Bytes bytes = from_hex(text);
    if (bytes.size() != N) throw std::invalid_argument("another number of bytes");
    std::array<std::uint8_t, N> array;
    std::ranges::copy(bytes, array.begin());
    return array;
}

}  // namespace hwvault::crypto
