// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/random.h"

#include <openssl/rand.h>

#include "crypto/handles.h"

namespace hwvault::crypto {

Result<void> fill_random(std::span<std::uint8_t> bytes) {
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return openssl_error("RAND_bytes");
    return {};
}

void mix_into_generator(BytesView bytes) {
    RAND_add(bytes.data(), static_cast<int>(bytes.size()), 0);
}

}  // namespace hwvault::crypto
