// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869), over OpenSSL.
//
// The hash of a token is on the path of every verify: sha256() allocates, locks and asks nobody anything. All are
// thread-safe. They can fail only when OpenSSL has no SHA-256 at all; that ends the process, since nothing here could go on.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>

#include "foundation/bytes.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

constexpr std::size_t kDigestSize = 32;
using Digest = std::array<std::uint8_t, kDigestSize>;

Digest sha256(BytesView bytes);
Digest sha256(std::initializer_list<BytesView> parts);  // of the parts, one after the other

// Of as many bytes as are hashed of a token, which are one block: in half the time.
constexpr std::size_t kOneBlock = 53;
Digest sha256_of_block(std::span<const std::uint8_t, kOneBlock> bytes);

Digest hmac_sha256(const SecretBytes& key, BytesView bytes);

// The same under one key for many texts: the key is set up once, which takes several times as long as a short text does.
// For one thread at a time, and for a short time: OpenSSL keeps what it makes of the key in ordinary memory, which it wipes
// at the end.
class HmacSha256 {
public:
    explicit HmacSha256(const SecretBytes& key);
    HmacSha256(HmacSha256&&) noexcept;
    HmacSha256& operator=(HmacSha256&&) noexcept;
    ~HmacSha256();

    Digest of(BytesView bytes);

private:
    struct Context;
    std::unique_ptr<Context> context_;
};

// 32 bytes for one purpose, named by `info`; no salt, since `key` is already uniform.
SecretBytes hkdf_sha256(const SecretBytes& key, std::string_view info);

}  // namespace hwvault::crypto
