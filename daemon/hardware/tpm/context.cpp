// SPDX-License-Identifier: LGPL-2.1-or-later
#include "daemon/hardware/tpm/context.h"

#include <iterator>
#include <thread>
#include <utility>

#include "daemon/hardware/tpm/crypto_callbacks.h"

namespace hwvault::hardware::tpm {
namespace {

constexpr auto kPause = std::chrono::milliseconds(50);
constexpr UINT32 kMaxHandles = 64;  // in one answer; more than a TPM has places

// Four characters of a property, as the TPM packs them.
void append_characters(std::string& text, UINT32 packed) {
    for (int shift = 24; shift >= 0; shift -= 8) {
        const char character = static_cast<char>(packed >> shift);
        if (character != '\0') text += character;
    }
}

Error unasked(const std::string& tcti_name) {
    return hardware_unavailable("The TPM at " + tcti_name + " answered something that it was not asked. Is something in between?");
}

}  // namespace

Context::Context(std::string tcti_name, Tcti tcti, Esys esys)
    : tcti_name_(std::move(tcti_name)), tcti_(std::move(tcti)), esys_(std::move(esys)) {}

bool Context::pause_before(std::chrono::steady_clock::time_point deadline) {
    if (std::chrono::steady_clock::now() + kPause >= deadline) return false;
    std::this_thread::sleep_for(kPause);
    return true;
}

Result<std::unique_ptr<Context>> Context::connect(const std::string& tcti_name) {
    TSS2_TCTI_CONTEXT* tcti = nullptr;
    const auto way = check_rc("Tss2_TctiLdr_Initialize", Tss2_TctiLdr_Initialize(tcti_name.c_str(), &tcti), tcti_name);
    // Whatever the library says of a way that leads nowhere, there is no TPM.
    if (!way) return hardware_unavailable(way.error().message + " There is no TPM at the end of it.");
    Tcti owned_tcti{tcti};
    ESYS_CONTEXT* esys = nullptr;
    HWVAULT_CHECK(check_rc("Esys_Initialize", Esys_Initialize(&esys, tcti, nullptr), tcti_name));
    Esys owned_esys{esys};
    HWVAULT_CHECK(check_rc("Esys_SetCryptoCallbacks", use_own_crypto(esys), tcti_name));
    std::unique_ptr<Context> context(new Context(tcti_name, std::move(owned_tcti), std::move(owned_esys)));
    HWVAULT_CHECK(context->start_up());
    HWVAULT_CHECK(context->flush_leftovers(TPM2_TRANSIENT_FIRST));
    HWVAULT_CHECK(context->flush_leftovers(TPM2_LOADED_SESSION_FIRST));
    return context;
}

// Firmware and kernel start a machine's TPM; a simulated one may have nobody to do it. TPM2_RC_INITIALIZE: it is done.
Result<void> Context::start_up() {
    const TSS2_RC rc = Esys_Startup(esys(), TPM2_SU_CLEAR);
    if (bare(rc) == TPM2_RC_INITIALIZE) return {};
    return check_rc("Esys_Startup", rc, tcti_name_);
}

Result<std::vector<TPM2_HANDLE>> Context::handles(TPM2_HANDLE first, UINT32 most, ESYS_TR session) {
    Out<TPMS_CAPABILITY_DATA> listed;
    TPMI_YES_NO more = 0;
    HWVAULT_CHECK(call("Esys_GetCapability", [&](ESYS_CONTEXT* esys) {
        return Esys_GetCapability(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first, most, &more,
                                  listed.fill());
    }));
    const TPML_HANDLE& handles = listed->data.handles;
    // The library takes a list of anything for an answer, and of another kind more than there is room for handles.
    if (listed->capability != TPM2_CAP_HANDLES || handles.count > std::size(handles.handle)) return unasked(tcti_name_);
    return std::vector<TPM2_HANDLE>(handles.handle, handles.handle + handles.count);
}

Result<void> Context::flush_leftovers(TPM2_HANDLE first) {
    HWVAULT_TRY(const auto leftovers, handles(first, kMaxHandles, ESYS_TR_NONE));
    for (const TPM2_HANDLE handle : leftovers) {
        ESYS_TR leftover = ESYS_TR_NONE;
        HWVAULT_CHECK(call("Esys_TR_FromTPMPublic", [&](ESYS_CONTEXT* esys) {
            return Esys_TR_FromTPMPublic(esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &leftover);
        }));
        HWVAULT_CHECK(call("Esys_FlushContext", [&](ESYS_CONTEXT* esys) { return Esys_FlushContext(esys, leftover); }));
    }
    return {};
}

Result<std::vector<TPMS_TAGGED_PROPERTY>> Context::properties(UINT32 first, UINT32 most, ESYS_TR session) {
    Out<TPMS_CAPABILITY_DATA> listed;
    TPMI_YES_NO more = 0;
    HWVAULT_CHECK(call("Esys_GetCapability", [&](ESYS_CONTEXT* esys) {
        return Esys_GetCapability(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, first, most, &more,
                                  listed.fill());
    }));
    const TPML_TAGGED_TPM_PROPERTY& found = listed->data.tpmProperties;
    if (listed->capability != TPM2_CAP_TPM_PROPERTIES || found.count > std::size(found.tpmProperty)) {
        return unasked(tcti_name_);
    }
    return std::vector<TPMS_TAGGED_PROPERTY>(found.tpmProperty, found.tpmProperty + found.count);
}

Result<Maker> Context::maker(ESYS_TR session) {
    constexpr UINT32 kProperties = TPM2_PT_VENDOR_STRING_4 - TPM2_PT_MANUFACTURER + 1;
    HWVAULT_TRY(const auto found, properties(TPM2_PT_MANUFACTURER, kProperties, session));
    Maker maker;
    for (const TPMS_TAGGED_PROPERTY& property : found) {
        if (property.property == TPM2_PT_MANUFACTURER) append_characters(maker.manufacturer, property.value);
        const bool of_model =
            property.property >= TPM2_PT_VENDOR_STRING_1 && property.property <= TPM2_PT_VENDOR_STRING_4;
        if (of_model) append_characters(maker.model, property.value);
    }
    return maker;
}

Result<std::uint32_t> Context::failed_tries(ESYS_TR session) {
    HWVAULT_TRY(const auto found, properties(TPM2_PT_LOCKOUT_COUNTER, 1, session));
    if (found.empty() || found.front().property != TPM2_PT_LOCKOUT_COUNTER) return unasked(tcti_name_);
    return found.front().value;
}

}  // namespace hwvault::hardware::tpm
