// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the sessions of a TPM are computed with (TPM 2.0 Part 1, sections 19 and C.6.1): hashes and HMACs that are fed
// piece by piece, AES-128 in CFB mode, ECDH with a key made for once. OpenSSL's objects are looked up once a process and
// kept, which a library that asks for them anew at each step does not do. Thread-safe, but for one object at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/handles.h"
#include "foundation/bytes.h"
#include "foundation/result.h"
#include "foundation/secret.h"

namespace hwvault::crypto {

enum class HashKind : std::uint8_t { kSha1, kSha256, kSha384, kSha512 };
constexpr std::size_t kMaxHashSize = 64;  // bytes

// Begun, fed, and finished once. All fail with kInternal, when OpenSSL does.
class Hasher {
public:
    static Result<Hasher> start(HashKind kind);
    Result<void> update(BytesView bytes);
    // The number of bytes that were put into `digest`, which takes kMaxHashSize.
    Result<std::size_t> finish(std::span<std::uint8_t> digest);

private:
    explicit Hasher(MdContext context) : context_(std::move(context)) {}
    MdContext context_;
};

class Authenticator {
public:
    static Result<Authenticator> start(HashKind kind, BytesView key);  // HMAC; the key may be empty
    Result<void> update(BytesView bytes);
    Result<std::size_t> finish(std::span<std::uint8_t> tag);

private:
    explicit Authenticator(MacContext context) : context_(std::move(context)) {}
    MacContext context_;
};

enum class Direction : std::uint8_t { kEncrypt, kDecrypt };
constexpr std::size_t kCfbKeySize = 16;
constexpr std::size_t kCfbIvSize = 16;
// In place. kInvalidArgument when key or iv have another size.
Result<void> aes_128_cfb(Direction direction, BytesView key, BytesView iv, std::span<std::uint8_t> buffer);

// A key pair for once, and what it shares with another's public point.
struct Exchange {
    std::array<std::uint8_t, 32> x{};  // of the pair's public point, big-endian
    std::array<std::uint8_t, 32> y{};
    SecretBytes shared;                // the x of the shared point, 32 bytes
};
// `x` and `y`, at most 32 bytes each: the other's point of P-256. kInvalidArgument when it is none.
Result<Exchange> exchange_p256(BytesView x, BytesView y);

}  // namespace hwvault::crypto
