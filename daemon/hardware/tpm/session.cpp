// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/session.h"

#include <utility>

namespace hwvault::hardware::tpm {
namespace {

TPMA_SESSION attributes(Hidden what) {
    TPMA_SESSION bits = TPMA_SESSION_CONTINUESESSION;
    if (what == Hidden::kAudited) bits |= TPMA_SESSION_AUDIT;
    if (what == Hidden::kCommand || what == Hidden::kBoth) bits |= TPMA_SESSION_DECRYPT;  // by the TPM
    if (what == Hidden::kAnswer || what == Hidden::kBoth) bits |= TPMA_SESSION_ENCRYPT;
    return bits;
}

}  // namespace

Result<Session> Session::start(Context& context, const Object& primary, Kind kind) {
    TPMT_SYM_DEF cipher{};
    cipher.algorithm = TPM2_ALG_AES;
    cipher.keyBits.aes = 128;
    cipher.mode.aes = TPM2_ALG_CFB;
    ESYS_TR handle = ESYS_TR_NONE;
    HWVAULT_CHECK(context.call("Esys_StartAuthSession", [&](ESYS_CONTEXT* esys) {
        return Esys_StartAuthSession(esys, primary.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                     nullptr, kind == Kind::kHmac ? TPM2_SE_HMAC : TPM2_SE_POLICY, &cipher, TPM2_ALG_SHA256, &handle);
    }));
    return Session(context, Object(context, handle));
}

Result<ESYS_TR> Session::hiding(Hidden what) {
    constexpr TPMA_SESSION kAll = 0xFF;
    HWVAULT_CHECK(context_->call("Esys_TRSess_SetAttributes", [&](ESYS_CONTEXT* esys) {
        return Esys_TRSess_SetAttributes(esys, object_.handle(), attributes(what), kAll);
    }));
    return object_.handle();
}

}  // namespace hwvault::hardware::tpm
