// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/policy.h"

#include <algorithm>
#include <array>

#include <tss2/tss2_mu.h>

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
crypto::Digest digest_of_values(const PcrValues& pcrs) {
    Bytes joined;
    for (const auto& [pcr, value] : pcrs) joined.insert(joined.end(), value.begin(), value.end());
    return crypto::sha256(joined);
}

// A policy digest grows by the hash of what it was, the command's code, and what the command is about.
crypto::Digest extended(const crypto::Digest& before, TPM2_CC command, BytesView about) {
    std::array<std::uint8_t, sizeof command> code{};
    for (std::size_t i = 0; i < code.size(); ++i) code[i] = static_cast<std::uint8_t>(command >> (8 * (code.size() - 1 - i)));
    return crypto::sha256({before, code, about});
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
    if (!policy.pcrs.empty()) {
        const TPM2B_DIGEST present{};  // empty: whatever they have now
        const TPML_PCR_SELECTION selection = select(policy.pcrs);
        HWVAULT_CHECK(context.call("Esys_PolicyPCR", [&](ESYS_CONTEXT* esys) {
            return Esys_PolicyPCR(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &present, &selection);
        }));
    }
    if (!policy.pin) return {};
    return context.call("Esys_PolicyAuthValue", [&](ESYS_CONTEXT* esys) {
        return Esys_PolicyAuthValue(esys, session.handle(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);
    });
}

crypto::Digest digest_of(const Policy& policy) {
    crypto::Digest digest{};
    if (!policy.pcrs.empty()) {
        const TPML_PCR_SELECTION selection = select(policy.pcrs);
        Bytes about(sizeof selection);
        std::size_t size = 0;
        // Cannot fail: the buffer is larger, and the selection our own.
        static_cast<void>(Tss2_MU_TPML_PCR_SELECTION_Marshal(&selection, about.data(), about.size(), &size));
        about.resize(size);
        const crypto::Digest values = digest_of_values(policy.pcrs);
        about.insert(about.end(), values.begin(), values.end());
        digest = extended(digest, TPM2_CC_PolicyPCR, about);
    }
    return policy.pin ? extended(digest, TPM2_CC_PolicyAuthValue, {}) : digest;
}

std::string words(const Policy& policy) {
    std::string text;
    for (const auto& [pcr, value] : policy.pcrs) text += (text.empty() ? "PCR " : ", ") + std::to_string(pcr);
    if (policy.pin) text += text.empty() ? "a PIN" : " and a PIN";
    return text.empty() ? "none" : text;
}

}  // namespace hwvault::hardware::tpm
