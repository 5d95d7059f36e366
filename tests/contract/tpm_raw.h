// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What the tests do to a simulated TPM behind the device's back, as its owner or somebody else on the machine could.
#pragma once

#include <memory>

#include "daemon/hardware/tpm/connection.h"
#include "tests/catch.h"
#include "tests/contract/tpm_backend.h"

namespace hwvault::hardware::testing {

inline std::unique_ptr<tpm::Context> raw() {
    return tpm::Context::connect(tpm_config().tcti).value();
}

// How many handles of a kind the TPM holds. Not through tpm::Context, which flushes what it finds.
inline UINT32 handles_from(TPM2_HANDLE first) {
    TSS2_TCTI_CONTEXT* tcti = nullptr;
    REQUIRE(Tss2_TctiLdr_Initialize(tpm_config().tcti.c_str(), &tcti) == TSS2_RC_SUCCESS);
    const tpm::Tcti owned_tcti{tcti};
    ESYS_CONTEXT* esys = nullptr;
    REQUIRE(Esys_Initialize(&esys, tcti, nullptr) == TSS2_RC_SUCCESS);
    const tpm::Esys owned_esys{esys};
    tpm::Out<TPMS_CAPABILITY_DATA> listed;
    TPMI_YES_NO more = 0;
    REQUIRE(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, 64, &more,
                               listed.fill()) == TSS2_RC_SUCCESS);
    return listed->data.handles.count;
}

inline ESYS_TR nv_index(tpm::Context& context, TPM2_HANDLE index) {
    ESYS_TR handle = ESYS_TR_NONE;
    REQUIRE(Esys_TR_FromTPMPublic(context.esys(), index, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &handle) ==
            TSS2_RC_SUCCESS);
    return handle;
}

inline void undefine(tpm::Context& context, TPM2_HANDLE index) {
    REQUIRE(Esys_NV_UndefineSpace(context.esys(), ESYS_TR_RH_OWNER, nv_index(context, index), ESYS_TR_PASSWORD,
                                  ESYS_TR_NONE, ESYS_TR_NONE) == TSS2_RC_SUCCESS);
}

inline TSS2_RC define(tpm::Context& context, TPM2_HANDLE index, TPMA_NV attributes, UINT16 size) {
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = index;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = attributes;
    area.nvPublic.dataSize = size;
    const TPM2B_AUTH nothing{};
    ESYS_TR handle = ESYS_TR_NONE;
    return Esys_NV_DefineSpace(context.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &nothing,
                               &area, &handle);
}

inline constexpr TPMA_NV kCounter = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
                             TPMA_NV_NO_DA;
inline constexpr TPMA_NV kOrdinary = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA;

inline TPM2_HANDLE counter_index() {
    return tpm::Folder(tpm_config().folder).pinned().value().counter.index;
}

}  // namespace hwvault::hardware::testing
