// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/counter.h"

#include <array>
#include <cstring>
#include <utility>

#include "crypto/random.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr TPM2_HANDLE kFirstOwnerIndex = 0x01800000;  // the owner's, by the TCG's registry of reserved handles
constexpr TPM2_HANDLE kOwnerIndexes = 0x00400000;
constexpr int kTries = 16;
constexpr UINT16 kSize = 8;  // bytes of a counter, big-endian

// Used with its own authorization value alone; no lockout, for the reason of the keys.
constexpr TPMA_NV kAttributes = (TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |
                                TPMA_NV_NO_DA;

Result<Reference> find(Context& context, ESYS_TR session, TPM2_HANDLE index) {
    ESYS_TR handle = ESYS_TR_NONE;
    HWVAULT_CHECK(context.call("Esys_TR_FromTPMPublic", [&](ESYS_CONTEXT* esys) {
        return Esys_TR_FromTPMPublic(esys, index, session, ESYS_TR_NONE, ESYS_TR_NONE, &handle);
    }));
    return Reference(context, handle);
}

Result<bool> is_free(Context& context, Session& session, TPM2_HANDLE index) {
    HWVAULT_TRY(const ESYS_TR authentic, session.hiding(Hidden::kAudited));
    HWVAULT_TRY(const auto next, context.handles(index, 1, authentic));
    return next.empty() || next.front() != index;
}

Error lost(const Context& context, TPM2_HANDLE index, std::string_view what) {
    std::array<char, 16> number{};
    std::snprintf(number.data(), number.size(), "0x%08x", index);
    return {ErrorCode::kRolledBack,
            "The counter at NV index " + std::string(number.data()) + " of the TPM at " + context.tcti() + " " +
                std::string(what) +
                ", so an old store could not be told from a new one. If that was you, run `hwvault init`, which "
                "makes another and leaves the store as it is, and then `hwvault recover --accept-rollback`."};
}

}  // namespace

Result<TPM2_HANDLE> Counter::free_index(Context& context, Session& session) {
    for (int i = 0; i < kTries; ++i) {
        std::array<std::uint8_t, sizeof(TPM2_HANDLE)> chance{};
        HWVAULT_CHECK(crypto::fill_random(chance));
        TPM2_HANDLE index = 0;
        std::memcpy(&index, chance.data(), sizeof index);
        index = kFirstOwnerIndex + index % kOwnerIndexes;
        HWVAULT_TRY(const bool free, is_free(context, session, index));
        if (free) return index;
    }
    return Error{ErrorCode::kInvalidArgument, "The TPM at " + context.tcti() +
                                                  " seems to have no free NV index: `tpm2_nvreadpublic` shows what "
                                                  "takes them."};
}

Result<CounterIdentity> Counter::define(Context& context, Session& session, TPM2_HANDLE index,
                                        const SecretBytes& authorization) {
    TPM2B_NV_PUBLIC area{};
    area.nvPublic.nvIndex = index;
    area.nvPublic.nameAlg = TPM2_ALG_SHA256;
    area.nvPublic.attributes = kAttributes;
    area.nvPublic.dataSize = kSize;
    Locked<TPM2B_AUTH> value;
    put(*value, authorization.reveal());
    HWVAULT_TRY(const ESYS_TR hiding, session.hiding(Hidden::kCommand));
    ESYS_TR handle = ESYS_TR_NONE;
    HWVAULT_CHECK(context.call("Esys_NV_DefineSpace", [&](ESYS_CONTEXT* esys) {
        return Esys_NV_DefineSpace(esys, ESYS_TR_RH_OWNER, hiding, ESYS_TR_NONE, ESYS_TR_NONE, &*value, &area, &handle);
    }));
    Counter counter(context, session, {index, {}}, Reference(context, handle));
    HWVAULT_CHECK(counter.reference_.authorize(authorization));
    HWVAULT_CHECK(counter.increment());
    HWVAULT_TRY(counter.identity_.name, counter.reference_.name());
    return counter.identity_;
}

Result<void> Counter::remove_leftover(Context& context, Session& session, TPM2_HANDLE index) {
    HWVAULT_TRY(const bool free, is_free(context, session, index));
    if (free) return {};
    HWVAULT_TRY(const ESYS_TR authentic, session.hiding(Hidden::kAnswer));
    HWVAULT_TRY(const Reference leftover, find(context, authentic, index));
    Out<TPM2B_NV_PUBLIC> area;
    Out<TPM2B_NAME> name;
    HWVAULT_CHECK(context.call("Esys_NV_ReadPublic", [&](ESYS_CONTEXT* esys) {
        return Esys_NV_ReadPublic(esys, leftover.handle(), authentic, ESYS_TR_NONE, ESYS_TR_NONE, area.fill(), name.fill());
    }));
    if ((area->nvPublic.attributes & ~TPMA_NV_WRITTEN) != kAttributes) return {};
    HWVAULT_TRY(const ESYS_TR plain, session.hiding(Hidden::kNothing));
    return context.call("Esys_NV_UndefineSpace", [&](ESYS_CONTEXT* esys) {
        return Esys_NV_UndefineSpace(esys, ESYS_TR_RH_OWNER, leftover.handle(), plain, ESYS_TR_NONE, ESYS_TR_NONE);
    });
}

Result<Counter> Counter::open(Context& context, Session& session, CounterIdentity identity,
                              const SecretBytes& authorization) {
    HWVAULT_TRY(const bool missing, is_free(context, session, identity.index));
    if (missing) return lost(context, identity.index, "was deleted");
    // In the session, so that the answer is the TPM's own.
    HWVAULT_TRY(const ESYS_TR authentic, session.hiding(Hidden::kAnswer));
    HWVAULT_TRY(Reference reference, find(context, authentic, identity.index));
    HWVAULT_TRY(const Bytes name, reference.name());
    if (name != identity.name) return lost(context, identity.index, "was replaced by another index");
    HWVAULT_CHECK(reference.authorize(authorization));
    return Counter(context, session, std::move(identity), std::move(reference));
}

// After a failure the index is looked at again: it may have been deleted or defined anew since it was opened. Behind the
// same name it may still have another authorization value, which is another counter too; but an answer with an error
// proves nothing, so that is believed the second time.
template <class Make>
Result<void> Counter::use(std::string_view name, Hidden hidden, const Make& make) {
    Result<void> done;
    TSS2_RC last = TSS2_RC_SUCCESS;
    for (int i = 0; i < 2; ++i) {
        HWVAULT_TRY(const ESYS_TR session, session_->hiding(hidden));
        done = context_->call_once(name, [&](ESYS_CONTEXT* esys) { return last = make(esys, session); });
        if (done || !is_tpms_own(last) || is_passing(last)) return done;
        HWVAULT_TRY(const bool missing, is_free(*context_, *session_, identity_.index));
        if (missing) return lost(*context_, identity_.index, "was deleted");
        const bool foreign = bare(last) == TPM2_RC_BAD_AUTH || bare(last) == TPM2_RC_NV_AUTHORIZATION ||
                             bare(last) == TPM2_RC_NV_UNINITIALIZED;
        if (!foreign) return done;
    }
    return lost(*context_, identity_.index, "was deleted and defined anew");
}

Result<std::uint64_t> Counter::read() {
    Out<TPM2B_MAX_NV_BUFFER> data;
    HWVAULT_CHECK(use("Esys_NV_Read", Hidden::kAnswer, [&](ESYS_CONTEXT* esys, ESYS_TR session) {
        return Esys_NV_Read(esys, reference_.handle(), reference_.handle(), session, ESYS_TR_NONE, ESYS_TR_NONE, kSize, 0, data.fill());
    }));
    if (data->size != kSize) return hardware_unavailable("Esys_NV_Read gave too few bytes for a counter.");
    std::uint64_t number = 0;
    for (const std::uint8_t byte : view(*data)) number = number << 8 | byte;
    return number;
}

Result<void> Counter::increment() {
    return use("Esys_NV_Increment", Hidden::kNothing, [&](ESYS_CONTEXT* esys, ESYS_TR session) {
        return Esys_NV_Increment(esys, reference_.handle(), reference_.handle(), session, ESYS_TR_NONE, ESYS_TR_NONE);
    });
}

}  // namespace hwvault::hardware::tpm
