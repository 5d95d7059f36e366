// SPDX-License-Identifier: LGPL-2.1-or-later
// SHA256_Init() and its like are deprecated since OpenSSL 3.0, and the only ones that keep their state where they are told to:
// EVP_DigestInit() allocates each time and takes half as long again. SHA256_Transform() is in no other form at all.
#define OPENSSL_API_COMPAT 0x10100000L

#include "crypto/digest.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include "crypto/handles.h"

namespace hwvault::crypto {
namespace {

void require(bool succeeded) {
    if (!succeeded) std::abort();
}

char kSha256Name[] = "SHA256";

SHA256_CTX new_sha256() {
    SHA256_CTX context;
    require(SHA256_Init(&context) == 1);
    return context;
}

// Between a word and its bytes in memory, the highest first.
std::uint64_t big_endian(std::uint64_t word) {
    return std::endian::native == std::endian::big ? word : __builtin_bswap64(word);
}

// A new MAC context that knows the algorithm, but no key yet. The algorithm is looked up once.
MacContext keyless_hmac() {
    static const Mac mac{EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
    require(mac != nullptr);
    return MacContext{EVP_MAC_CTX_new(mac.get())};
}

}  // namespace

Digest sha256(BytesView bytes) {
    return sha256({bytes});
}

Digest sha256(std::initializer_list<BytesView> parts) {
    SHA256_CTX context;
    require(SHA256_Init(&context) == 1);
    for (const BytesView part : parts) require(SHA256_Update(&context, part.data(), part.size()) == 1);
    Digest digest;
    require(SHA256_Final(digest.data(), &context) == 1);  // wipes what it had of the bytes
    return digest;
}

// What is written here is read again at once, by OpenSSL 16 bytes at a time and then here 8: in other sizes than it was written, a
// processor would have to wait until it is in the cache, twice as long as the whole takes.
Digest sha256_of_block(std::span<const std::uint8_t, kOneBlock> bytes) {
    static const SHA256_CTX kNew = new_sha256();
    using TwoWords = std::uint64_t __attribute__((vector_size(16)));
    constexpr std::size_t kWhole = 48;
    constexpr std::size_t kLast = kOneBlock - kWhole;
    std::array<TwoWords, 4> block;
    std::memcpy(block.data(), bytes.data(), kWhole);
    std::uint64_t end = 0;  // its last bytes are those that are left
    std::memcpy(&end, bytes.last<sizeof end>().data(), sizeof end);
    end = big_endian(big_endian(end) << 8 * (sizeof end - kLast) | std::uint64_t{0x80} << 8 * (sizeof end - kLast - 1));
    block[3] = TwoWords{end, big_endian(kOneBlock * 8)};
    SHA256_CTX context;
    std::memcpy(context.h, kNew.h, sizeof context.h);
    SHA256_Transform(&context, reinterpret_cast<const std::uint8_t*>(block.data()));
    wipe(block.data(), sizeof block);
    Digest digest;
    for (std::size_t at = 0; at < digest.size(); at += 8) {
        std::uint64_t two = 0;
        std::memcpy(&two, reinterpret_cast<const char*>(context.h) + at, sizeof two);
        if constexpr (std::endian::native == std::endian::little) two = std::rotl(big_endian(two), 32);
        std::memcpy(digest.data() + at, &two, sizeof two);
    }
    return digest;
}

struct HmacSha256::Context {
    MacContext mac;
};

HmacSha256::HmacSha256(const SecretBytes& key) : context_(std::make_unique<Context>(keyless_hmac())) {
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, kSha256Name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX* const mac = context_->mac.get();
    require(mac != nullptr && EVP_MAC_init(mac, key.reveal().data(), key.size(), parameters) == 1);
}

HmacSha256::HmacSha256(HmacSha256&&) noexcept = default;
HmacSha256& HmacSha256::operator=(HmacSha256&&) noexcept = default;
HmacSha256::~HmacSha256() = default;

Digest HmacSha256::of(BytesView bytes) {
    EVP_MAC_CTX* const mac = context_->mac.get();
    Digest digest;
    std::size_t size = 0;
    require(EVP_MAC_init(mac, nullptr, 0, nullptr) == 1);  // begins anew under the same key
    require(EVP_MAC_update(mac, bytes.data(), bytes.size()) == 1);
    require(EVP_MAC_final(mac, digest.data(), &size, digest.size()) == 1);
    return digest;
}

Digest hmac_sha256(const SecretBytes& key, BytesView bytes) {
    return HmacSha256(key).of(bytes);
}

SecretBytes hkdf_sha256(const SecretBytes& key, std::string_view info) {
    static const Kdf kdf{EVP_KDF_fetch(nullptr, "HKDF", nullptr)};
    require(kdf != nullptr);
    const KdfContext context{EVP_KDF_CTX_new(kdf.get())};
    require(context != nullptr);
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, kSha256Name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<std::uint8_t*>(key.reveal().data()),
                                          key.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(info.data()), info.size()),
        OSSL_PARAM_construct_end(),
    };
    SecretBytes derived(kDigestSize);
    require(EVP_KDF_derive(context.get(), derived.reveal_to_fill().data(), derived.size(), parameters) == 1);
    return derived;
}

}  // namespace hwvault::crypto
