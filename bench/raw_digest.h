// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SHA-256 as cheaply as OpenSSL gives it: an algorithm that was fetched once, in a context that is used again. The limit of a
// verify, which cannot do without one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include <openssl/evp.h>

namespace hwvault::bench {

class RawSha256 {
public:
    RawSha256();
    // Allocates nothing that outlives the call.
    std::array<std::uint8_t, 32> operator()(std::string_view bytes);

private:
    struct Free {
        void operator()(EVP_MD* algorithm) const { EVP_MD_free(algorithm); }
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD, Free> algorithm_;
    std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace hwvault::bench
