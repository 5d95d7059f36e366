// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/crypto_callbacks.h"

#ifdef HWVAULT_TSS_TAKES_CRYPTO

#include <algorithm>
#include <memory>
#include <optional>

#include <tss2/tss2_mu.h>

#include "crypto/random.h"
#include "crypto/tpm_session.h"
#include "daemon/hardware/tpm/handles.h"

namespace hwvault::hardware::tpm {
namespace {

using Opaque = ESYS_CRYPTO_CONTEXT_BLOB;

std::optional<crypto::HashKind> kind_of(TPM2_ALG_ID algorithm) {
    switch (algorithm) {
        case TPM2_ALG_SHA1: return crypto::HashKind::kSha1;
        case TPM2_ALG_SHA256: return crypto::HashKind::kSha256;
        case TPM2_ALG_SHA384: return crypto::HashKind::kSha384;
        case TPM2_ALG_SHA512: return crypto::HashKind::kSha512;
        default: return std::nullopt;
    }
}

TSS2_RC outcome(const Result<void>& done) {
    return done ? TSS2_RC_SUCCESS : TSS2_ESYS_RC_GENERAL_FAILURE;
}

// A Hasher or an Authenticator travels through ESAPI as its opaque context, which ESAPI gives back to finish or abort.
template <class Work>
TSS2_RC hand_over(Result<Work> work, Opaque** context) {
    if (!work) return TSS2_ESYS_RC_GENERAL_FAILURE;
    *context = reinterpret_cast<Opaque*>(std::make_unique<Work>(std::move(*work)).release());
    return TSS2_RC_SUCCESS;
}

template <class Work>
std::unique_ptr<Work> take_back(Opaque** context) {
    return std::unique_ptr<Work>(reinterpret_cast<Work*>(std::exchange(*context, nullptr)));
}

template <class Work>
TSS2_RC update(Opaque* context, const uint8_t* buffer, size_t size, void*) {
    return outcome(reinterpret_cast<Work*>(context)->update({buffer, size}));
}

template <class Work>
TSS2_RC finish(Opaque** context, uint8_t* buffer, size_t* size, void*) {
    const auto work = take_back<Work>(context);
    std::array<std::uint8_t, crypto::kMaxHashSize> whole{};
    const auto written = work->finish(whole);
    if (!written || *written > *size) return TSS2_ESYS_RC_GENERAL_FAILURE;
    std::copy_n(whole.begin(), *written, buffer);
    *size = *written;
    wipe(whole.data(), whole.size());  // an HMAC may be a session key
    return TSS2_RC_SUCCESS;
}

template <class Work>
void abort(Opaque** context, void*) {
    take_back<Work>(context);
}

TSS2_RC start_hash(Opaque** context, TPM2_ALG_ID algorithm, void*) {
    const auto kind = kind_of(algorithm);
    return kind ? hand_over(crypto::Hasher::start(*kind), context) : TSS2_ESYS_RC_NOT_SUPPORTED;
}

TSS2_RC start_hmac(Opaque** context, TPM2_ALG_ID algorithm, const uint8_t* key, size_t size, void*) {
    const auto kind = kind_of(algorithm);
    return kind ? hand_over(crypto::Authenticator::start(*kind, {key, size}), context) : TSS2_ESYS_RC_NOT_SUPPORTED;
}

TSS2_RC random(TPM2B_NONCE* nonce, size_t size, void*) {
    nonce->size = static_cast<UINT16>(size == 0 ? sizeof(TPMU_HA) : std::min(size, sizeof nonce->buffer));
    return outcome(crypto::fill_random({nonce->buffer, nonce->size}));
}

TSS2_RC exchange(TPM2B_PUBLIC* key, size_t capacity, TPM2B_ECC_PARAMETER* shared, TPMS_ECC_POINT* point, BYTE* out,
                 size_t* size, void*) {
    if (key->publicArea.parameters.eccDetail.curveID != TPM2_ECC_NIST_P256) return TSS2_ESYS_RC_NOT_SUPPORTED;
    const TPMS_ECC_POINT& theirs = key->publicArea.unique.ecc;
    const auto made = crypto::exchange_p256(view(theirs.x), view(theirs.y));
    if (!made) return TSS2_ESYS_RC_GENERAL_FAILURE;
    put(*shared, made->shared.reveal());
    put(point->x, made->x);
    put(point->y, made->y);
    *size = 0;
    return Tss2_MU_TPMS_ECC_POINT_Marshal(point, out, capacity, size);
}

template <crypto::Direction direction>
TSS2_RC cfb(uint8_t* key, TPM2_ALG_ID algorithm, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode, uint8_t* buffer, size_t size,
            uint8_t* iv, void*) {
    const bool known = algorithm == TPM2_ALG_AES && bits == 8 * crypto::kCfbKeySize && mode == TPM2_ALG_CFB;
    if (!known) return TSS2_ESYS_RC_NOT_SUPPORTED;
    return outcome(crypto::aes_128_cfb(direction, {key, crypto::kCfbKeySize}, {iv, crypto::kCfbIvSize}, {buffer, size}));
}

// What no session of ours uses.
TSS2_RC no_rsa(TPM2B_PUBLIC*, size_t, BYTE*, size_t, BYTE*, size_t*, const char*, void*) {
    return TSS2_ESYS_RC_NOT_SUPPORTED;
}
TSS2_RC no_sm4(uint8_t*, TPM2_ALG_ID, TPMI_SM4_KEY_BITS, TPM2_ALG_ID, uint8_t*, size_t, uint8_t*, void*) {
    return TSS2_ESYS_RC_NOT_SUPPORTED;
}
TSS2_RC nothing_to_prepare(void*) {
    return TSS2_RC_SUCCESS;
}

}  // namespace

TSS2_RC use_own_crypto(ESYS_CONTEXT* esys) {
    ESYS_CRYPTO_CALLBACKS callbacks{
        .rsa_pk_encrypt = no_rsa,
        .hash_start = start_hash,
        .hash_update = update<crypto::Hasher>,
        .hash_finish = finish<crypto::Hasher>,
        .hash_abort = abort<crypto::Hasher>,
        .hmac_start = start_hmac,
        .hmac_update = update<crypto::Authenticator>,
        .hmac_finish = finish<crypto::Authenticator>,
        .hmac_abort = abort<crypto::Authenticator>,
        .get_random2b = random,
        .get_ecdh_point = exchange,
        .aes_encrypt = cfb<crypto::Direction::kEncrypt>,
        .aes_decrypt = cfb<crypto::Direction::kDecrypt>,
        .sm4_encrypt = no_sm4,
        .sm4_decrypt = no_sm4,
        .init = nothing_to_prepare,
        .userdata = nullptr,
    };
    return Esys_SetCryptoCallbacks(esys, &callbacks);
}

}  // namespace hwvault::hardware::tpm

#else

namespace hwvault::hardware::tpm {

TSS2_RC use_own_crypto(ESYS_CONTEXT*) {
    return TSS2_RC_SUCCESS;
}

}  // namespace hwvault::hardware::tpm

#endif
