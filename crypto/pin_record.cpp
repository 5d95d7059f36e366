// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/pin_record.h"

#include "crypto/handles.h"

namespace hwvault::crypto {

Result<Bytes> hash_pin(const SecretBytes& pin, BytesView salt) {
    constexpr std::uint64_t kCost = 1 << 16;  // N; with r = 8 this is 64 MiB
    constexpr std::uint64_t kBlockSize = 8;
    constexpr std::uint64_t kParallelism = 1;
    constexpr std::uint64_t kMaxMemory = 128 << 20;
    Bytes hash(32);
    if (EVP_PBE_scrypt(reinterpret_cast<const char*>(pin.reveal().data()), pin.size(), salt.data(), salt.size(), kCost,
                       kBlockSize, kParallelism, kMaxMemory, hash.data(), hash.size()) != 1) {
        return openssl_error("scrypt");
    }
    return hash;
}

}  // namespace hwvault::crypto
