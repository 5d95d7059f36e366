// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/tpm_session.h"

#include <algorithm>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include "crypto/p256.h"

namespace hwvault::crypto {
namespace {

constexpr char kCurve[] = "P-256";
constexpr std::size_t kSharedSize = 32;
constexpr std::array kHashNames{"SHA1", "SHA256", "SHA384", "SHA512"};

const char* name_of(HashKind kind) {
    return kHashNames.at(static_cast<std::size_t>(kind));
}

// Kept until the process ends.
const EVP_MD* method_of(HashKind kind) {
    static const std::array methods{
        EVP_MD_fetch(nullptr, kHashNames[0], nullptr), EVP_MD_fetch(nullptr, kHashNames[1], nullptr),
        EVP_MD_fetch(nullptr, kHashNames[2], nullptr), EVP_MD_fetch(nullptr, kHashNames[3], nullptr)};
    return methods.at(static_cast<std::size_t>(kind));
}

bool read_coordinate(const Pkey& pair, const char* name, std::array<std::uint8_t, 32>& coordinate) {
    BIGNUM* number = nullptr;
    if (EVP_PKEY_get_bn_param(pair.get(), name, &number) != 1) return false;
    const Bignum owned{number};
    constexpr int kSize = std::tuple_size_v<std::array<std::uint8_t, 32>>;
    return BN_bn2binpad(number, coordinate.data(), kSize) == kSize;
}

}  // namespace

Result<Hasher> Hasher::start(HashKind kind) {
    MdContext context{EVP_MD_CTX_new()};
    if (context == nullptr || EVP_DigestInit_ex2(context.get(), method_of(kind), nullptr) != 1) {
        return openssl_error("EVP_DigestInit_ex2");
    }
    return Hasher(std::move(context));
}

Result<void> Hasher::update(BytesView bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) return openssl_error("EVP_DigestUpdate");
    return {};
}

Result<std::size_t> Hasher::finish(std::span<std::uint8_t> digest) {
    unsigned size = 0;
    if (digest.size() < kMaxHashSize) return invalid_argument("There is no room for a hash.");
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) return openssl_error("EVP_DigestFinal_ex");
    return std::size_t{size};
}

Result<Authenticator> Authenticator::start(HashKind kind, BytesView key) {
    static const Mac hmac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
    MacContext context{EVP_MAC_CTX_new(hmac.get())};
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>(name_of(kind)), 0),  // read only
        OSSL_PARAM_construct_end(),
    };
    constexpr std::uint8_t kNothing = 0;  // a null pointer would mean the key of before
    const std::uint8_t* const bytes = key.empty() ? &kNothing : key.data();
    if (context == nullptr || EVP_MAC_init(context.get(), bytes, key.size(), parameters) != 1) {
        return openssl_error("EVP_MAC_init");
    }
    return Authenticator(std::move(context));
}

Result<void> Authenticator::update(BytesView bytes) {
    if (EVP_MAC_update(context_.get(), bytes.data(), bytes.size()) != 1) return openssl_error("EVP_MAC_update");
    return {};
}

Result<std::size_t> Authenticator::finish(std::span<std::uint8_t> tag) {
    std::size_t size = 0;
    if (EVP_MAC_final(context_.get(), tag.data(), &size, tag.size()) != 1) return openssl_error("EVP_MAC_final");
    return size;
}

Result<void> aes_128_cfb(Direction direction, BytesView key, BytesView iv, std::span<std::uint8_t> buffer) {
    static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-128-CFB", nullptr);
    if (key.size() != kCfbKeySize || iv.size() != kCfbIvSize) return invalid_argument("AES-128 takes 16 bytes each.");
    const CipherContext context{EVP_CIPHER_CTX_new()};
    int size = 0;
    const int encrypt = direction == Direction::kEncrypt ? 1 : 0;
    if (context == nullptr || EVP_CipherInit_ex2(context.get(), cipher, key.data(), iv.data(), encrypt, nullptr) != 1 ||
        EVP_CipherUpdate(context.get(), buffer.data(), &size, buffer.data(), static_cast<int>(buffer.size())) != 1) {
        return openssl_error("AES-128-CFB");
    }
    return {};
}

Result<Exchange> exchange_p256(BytesView x, BytesView y) {
    HWVAULT_TRY(const Bytes der, p256_public_key(x, y));
    const unsigned char* begin = der.data();
    const Pkey other{d2i_PUBKEY(nullptr, &begin, static_cast<long>(der.size()))};
    const Pkey pair{EVP_EC_gen(kCurve)};
    Exchange exchange{.x = {}, .y = {}, .shared = SecretBytes(kSharedSize)};
    const PkeyContext context{pair == nullptr ? nullptr : EVP_PKEY_CTX_new_from_pkey(nullptr, pair.get(), nullptr)};
    std::size_t size = exchange.shared.size();
    if (context == nullptr || other == nullptr || EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1 ||
        EVP_PKEY_derive(context.get(), exchange.shared.reveal_to_fill().data(), &size) != 1 ||
        size != exchange.shared.size() || !read_coordinate(pair, OSSL_PKEY_PARAM_EC_PUB_X, exchange.x) ||
        !read_coordinate(pair, OSSL_PKEY_PARAM_EC_PUB_Y, exchange.y)) {
        return openssl_error("ECDH with P-256");
    }
    return exchange;
}

}  // namespace hwvault::crypto
