// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/p256.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "crypto/handles.h"

namespace hwvault::crypto {

Result<bool> verify_p256(BytesView public_key, BytesView message, BytesView signature) {
    const unsigned char* der = public_key.data();
    const Pkey key{d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size()))};
    char group[32] = {};
    if (key == nullptr || der != public_key.data() + public_key.size() ||
        EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) != 1 ||
        std::string_view(group) != "prime256v1") {
        ERR_clear_error();
        return Error{ErrorCode::kInvalidArgument, "The public key is no P-256 key in DER."};
    }
    const MdContext context{EVP_MD_CTX_new()};
    if (context == nullptr ||
        EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key.get(), nullptr) != 1) {
        return openssl_error("ECDSA verification");
    }
    const int verdict =
        EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size());
    ERR_clear_error();
    return verdict == 1;
}

}  // namespace hwvault::crypto
