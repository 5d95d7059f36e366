// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/p256.h"

#include <algorithm>
#include <array>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include "crypto/handles.h"

namespace hwvault::crypto {
namespace {

constexpr std::size_t kCoordinateSize = 32;
constexpr char kCurve[] = "prime256v1";

// DER of what `encode` writes, which takes a pointer that it moves forward.
template <class T>
Result<Bytes> der_of(const T* structure, int (*encode)(const T*, unsigned char**)) {
    const int size = encode(structure, nullptr);
    if (size <= 0) return openssl_error("DER encoding");
    Bytes der(static_cast<std::size_t>(size));
    unsigned char* end = der.data();
    encode(structure, &end);
    return der;
}

}  // namespace

Result<bool> verify_p256(BytesView public_key, BytesView message, BytesView signature) {
    const unsigned char* der = public_key.data();
    const Pkey key{d2i_PUBKEY(nullptr, &der, static_cast<long>(public_key.size()))};
    char group[32] = {};
    if (key == nullptr || der != public_key.data() + public_key.size() ||
        EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) != 1 ||
        std::string_view(group) != kCurve) {
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

Result<Bytes> p256_public_key(BytesView x, BytesView y) {
    std::array<std::uint8_t, 1 + 2 * kCoordinateSize> point{POINT_CONVERSION_UNCOMPRESSED};
    if (x.size() > kCoordinateSize || y.size() > kCoordinateSize) return invalid_argument("This is no point of P-256.");
    std::copy_backward(x.begin(), x.end(), point.begin() + 1 + kCoordinateSize);
    std::copy_backward(y.begin(), y.end(), point.end());
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(kCurve), 0),  // read only
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()), OSSL_PARAM_END};
    const PkeyContext context{EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr)};
    EVP_PKEY* made = nullptr;
    const bool right = context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                       EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters)) == 1;
    const Pkey key{made};
    if (!right) {
        ERR_clear_error();
        return invalid_argument("This is no point of P-256.");
    }
    return der_of(key.get(), i2d_PUBKEY);
}

Result<Bytes> p256_signature(BytesView r, BytesView s) {
    const EcdsaSignature signature{ECDSA_SIG_new()};
    Bignum first{BN_bin2bn(r.data(), static_cast<int>(r.size()), nullptr)};
    Bignum second{BN_bin2bn(s.data(), static_cast<int>(s.size()), nullptr)};
    // It takes both numbers over, if it succeeds.
    if (signature == nullptr || ECDSA_SIG_set0(signature.get(), first.get(), second.get()) != 1) {
        return openssl_error("ECDSA_SIG_set0");
    }
    static_cast<void>(first.release());
    static_cast<void>(second.release());
    return der_of(signature.get(), i2d_ECDSA_SIG);
}

}  // namespace hwvault::crypto
