// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/policy.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr UINT8 kSelectionSize = 3;  // bytes of a bitmap of 24 PCRs

TPML_PCR_SELECTION select(unsigned pcr) {
    TPML_PCR_SELECTION selection{};
    selection.count = 1;
    selection.pcrSelections[0].hash = TPM2_ALG_SHA256;
    selection.pcrSelections[0].sizeofSelect = kSelectionSize;
    selection.pcrSelections[0].pcrSelect[pcr / 8] = static_cast<BYTE>(1U << (pcr % 8));
    return selection;
}

TPML_PCR_SELECTION select(const PcrValues& pcrs) {
    TPML_PCR_SELECTION selection = select(0);
    selection.pcrSelections[0].pcrSelect[0] = 0;
    for (const auto& [pcr, value] : pcrs) {
        selection.pcrSelections[0].pcrSelect[pcr / 8] |= static_cast<BYTE>(1U << (pcr % 8));
    }
    return selection;
}

// The hash of the values in ascending order of their numbers (TPM2_PolicyPCR).
TPM2B_DIGEST digest_of_values(const PcrValues& pcrs) {
    Bytes joined;
    for (const auto& [pcr, value] : pcrs) joined.insert(joined.end(), value.begin(), value.end());
    TPM2B_DIGEST digest{};
    put(digest, crypto::sha256(joined));
    return digest;
}

// An empty `values` is the PCRs' present ones.
Result<void> go_through(Context& context, Session& session, const Policy& policy, const TPM2B_DIGEST& values) {
    if (!policy.pcrs.empty()) {
        const TPML_PCR_SELECTION selection = select(policy.pcrs);
        HWVAULT_CHECK(context.call("Esys_PolicyPCR", [&](ESYS_CONTEXT* esys) {
            return Esys_PolicyPCR(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &values, &selection);
        }));
    }
    if (!policy.pin) return {};
    return context.call("Esys_PolicyAuthValue", [&](ESYS_CONTEXT* esys) {
        return Esys_PolicyAuthValue(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);
    });
}

}  // namespace

Result<PcrValues> read_pcrs(Context& context, Session& session, const std::vector<unsigned>& pcrs) {
    PcrValues values;
    for (const unsigned pcr : pcrs) {
        const TPML_PCR_SELECTION selection = select(pcr);
        UINT32 updates = 0;
        Out<TPML_PCR_SELECTION> selected;
        Out<TPML_DIGEST> digests;
        HWVAULT_TRY(const ESYS_TR handle, session.hiding(Hidden::kAudited));
        HWVAULT_CHECK(context.call("Esys_PCR_Read", [&](ESYS_CONTEXT* esys) {
            return Esys_PCR_Read(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, &selection, &updates, selected.fill(),
                                 digests.fill());
        }));
        if (digests->count != 1 || digests->digests[0].size != crypto::kDigestSize) {
            return Error{ErrorCode::kInvalidArgument, "The TPM at " + context.tcti() + " has no PCR " +
                                                          std::to_string(pcr) +
                                                          " of SHA-256: leave it out of `[hardware] pcrs`."};
        }
        const BytesView value = view(digests->digests[0]);
        std::copy(value.begin(), value.end(), values[pcr].begin());
    }
    return values;
}

Result<void> follow(Context& context, Session& session, const Policy& policy) {
    return go_through(context, session, policy, {});
}

Result<Bytes> digest_of(Context& context, const Object& primary, const Policy& policy) {
    HWVAULT_TRY(Session trial, Session::start(context, primary, Session::Kind::kTrial));
    HWVAULT_CHECK(go_through(context, trial, policy, digest_of_values(policy.pcrs)));
    Out<TPM2B_DIGEST> digest;
    HWVAULT_CHECK(context.call("Esys_PolicyGetDigest", [&](ESYS_CONTEXT* esys) {
        return Esys_PolicyGetDigest(esys, trial.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, digest.fill());
    }));
    const BytesView bytes = view(*digest);
    return Bytes(bytes.begin(), bytes.end());
}

std::string words(const Policy& policy) {
    std::string text;
    for (const auto& [pcr, value] : policy.pcrs) text += (text.empty() ? "PCR " : ", ") + std::to_string(pcr);
    if (policy.pin) text += text.empty() ? "a PIN" : " and a PIN";
    return text.empty() ? "none" : text;
}

}  // namespace hwvault::hardware::tpm
