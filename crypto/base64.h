// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Base64 (RFC 4648, section 4: the standard alphabet, padded, no line breaks), over OpenSSL.
//
// For secrets that must travel as text: both directions work in locked memory only. Decoding accepts exactly what
// encoding gives, so that no two texts stand for the same bytes. Thread-safe.
#pragma once

#include <optional>
#include <string_view>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

constexpr std::size_t kMaxBase64Input = 1 << 30;  // bytes: OpenSSL counts in int

constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

// `bytes` are at most kMaxBase64Input.
SecretBytes encode_base64(BytesView bytes);

// nullopt for another alphabet, white space, wrong or missing padding, or bits set that no byte holds.
std::optional<SecretBytes> decode_base64(std::string_view text);

}  // namespace hwvault::crypto
