// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/base64.h"

#include <algorithm>

#include <openssl/evp.h>

namespace hwvault::crypto {
namespace {

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::size_t padding_of(std::string_view text) {
    if (text.ends_with("==")) return 2;
    return text.ends_with('=') ? 1 : 0;
}

bool has_only_the_alphabet(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    });
}

// The last character before the padding carries two or four bits that no byte holds: they must be zero.
bool ends_canonically(std::string_view digits, std::size_t padding) {
    if (padding == 0) return true;
    const std::size_t last = kBase64.find(digits.back());
    return (last & (padding == 1 ? 0x3U : 0xFU)) == 0;
}

}  // namespace

SecretBytes encode_base64(BytesView bytes) {
    const std::size_t size = base64_size(bytes.size());
    SecretBytes text(size + 1);  // EVP_EncodeBlock puts a NUL behind
    EVP_EncodeBlock(text.reveal_to_fill().data(), bytes.data(), static_cast<int>(bytes.size()));
    text.shorten(size);
    return text;
}

std::optional<SecretBytes> decode_base64(std::string_view text) {
    if (text.size() % 4 != 0 || text.size() > base64_size(kMaxBase64Input)) return std::nullopt;
    if (text.empty()) return SecretBytes();
    const std::size_t padding = padding_of(text);
    const std::string_view digits = text.substr(0, text.size() - padding);
    // EVP_DecodeBlock trims white space and takes padding for zeros, so it is asked only about what is certain.
    if (digits.empty() || !has_only_the_alphabet(digits) || !ends_canonically(digits, padding)) return std::nullopt;

    SecretBytes bytes(text.size() / 4 * 3);
    const int written = EVP_DecodeBlock(bytes.reveal_to_fill().data(), bytes_of(text).data(),
                                        static_cast<int>(text.size()));
    if (written < 0) return std::nullopt;
    bytes.shorten(static_cast<std::size_t>(written) - padding);
    return bytes;
}

}  // namespace hwvault::crypto
