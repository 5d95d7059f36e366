// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/faulty_module.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>
#include <thread>

#include <dlfcn.h>

namespace hwvault::hardware::testing {
namespace {

Faults& find_faults() {
    static Faults own;
    const char* file = std::getenv("HWVAULT_FAULTS");
    return file == nullptr ? own : *std::launder(static_cast<Faults*>(map_faults(file)));
}

Faults& faults = find_faults();
CK_FUNCTION_LIST* real = nullptr;
CK_FUNCTION_LIST shown;
std::atomic<bool> is_blank{false};
std::atomic<CK_ULONG> open_sessions{0};

bool take(std::atomic<int>& remaining) {
    int left = remaining.load();
    while (left > 0 && !remaining.compare_exchange_weak(left, left - 1)) {
    }
    return left > 0;
}

CK_RV initialize(void* arguments) {
    ++faults.loads;
    is_blank = take(faults.blank_loads);
    open_sessions = 0;
    return real->C_Initialize(arguments);
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
    if (faults.removed) return CKR_DEVICE_REMOVED;
    const CK_RV rv = real->C_GetTokenInfo(slot, info);
    info->flags |= faults.extra_flags;
    if (is_blank) info->flags &= ~CK_FLAGS{CKF_TOKEN_INITIALIZED};
    return rv;
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void* application, CK_NOTIFY notify, CK_SESSION_HANDLE* session) {
    if (faults.removed) return CKR_DEVICE_REMOVED;
    if (faults.max_sessions != 0 && open_sessions >= faults.max_sessions) return CKR_SESSION_COUNT;
    if (take(faults.open_failures)) return faults.open_rv;
    ++open_sessions;
    return real->C_OpenSession(slot, flags, application, notify, session);
}

CK_RV close_session(CK_SESSION_HANDLE session) {
    --open_sessions;
    return real->C_CloseSession(session);
}

CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
    return faults.removed ? CKR_DEVICE_REMOVED : real->C_GetSessionInfo(session, info);
}

CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG size) {
    const int count = ++faults.logins;
    if (faults.wrong_pin_after != 0 && count >= faults.wrong_pin_after) return CKR_PIN_INCORRECT;
    if (faults.login_rv != CKR_OK) return faults.login_rv;
    std::this_thread::sleep_for(std::chrono::milliseconds(faults.login_takes));
    const CK_RV rv = real->C_Login(session, user, pin, size);
    ++faults.logins_done;
    return rv;
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG most, CK_ULONG* count) {
    const CK_RV rv = real->C_FindObjects(session, objects, most, count);
    if (faults.no_objects) *count = 0;
    return rv;
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
    return faults.removed ? CKR_DEVICE_REMOVED : real->C_SignInit(session, mechanism, key);
}

CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
    if (faults.removed) return CKR_DEVICE_REMOVED;
    if (take(faults.sign_failures)) return faults.sign_rv;
    return real->C_Sign(session, data, size, signature, signature_size);
}

CK_RV create_object(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* object) {
    for (CK_ULONG i = 0; faults.no_data_objects && i < count; ++i) {
        CK_OBJECT_CLASS object_class = 0;
        if (attributes[i].type != CKA_CLASS) continue;
        std::memcpy(&object_class, attributes[i].pValue, sizeof object_class);
        if (object_class == CKO_DATA) return CKR_ATTRIBUTE_VALUE_INVALID;
    }
    std::vector<CK_ATTRIBUTE> kept(attributes, attributes + count);
    if (faults.no_application) std::erase_if(kept, [](const CK_ATTRIBUTE& each) { return each.type == CKA_APPLICATION; });
    static CK_BBOOL no = CK_FALSE;
    for (CK_ATTRIBUTE& each : kept) {
        if (faults.all_public && each.type == CKA_PRIVATE) each.pValue = &no;
    }
    const CK_RV rv = real->C_CreateObject(session, kept.data(), kept.size(), object);
    if (rv == CKR_OK && faults.keeps_nothing) real->C_DestroyObject(session, *object);
    return rv == CKR_OK && take(faults.created_then_lost) ? CKR_DEVICE_REMOVED : rv;
}

CK_RV destroy_object(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    return faults.no_destroy ? CKR_DEVICE_ERROR : real->C_DestroyObject(session, object);
}

CK_RV set_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* change, CK_ULONG count) {
    ++faults.labels_asked;
    if (faults.removed) return CKR_DEVICE_REMOVED;
    if (faults.label_rv != CKR_OK) return faults.label_rv;
    CK_ATTRIBUTE kept = *change;
    kept.ulValueLen = std::min<CK_ULONG>(kept.ulValueLen, faults.longest_label);
    const CK_RV rv = real->C_SetAttributeValue(session, object, &kept, count);
    return rv == CKR_OK && take(faults.labelled_then_lost) ? CKR_DEVICE_REMOVED : rv;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* query, CK_ULONG count) {
    const CK_RV rv = real->C_GetAttributeValue(session, object, query, count);
    const bool lie = rv == CKR_OK && count == 1 && query->type == faults.attribute_lie && query->pValue != nullptr;
    if (lie) *static_cast<CK_BBOOL*>(query->pValue) = CK_FALSE;
    return rv;
}

CK_RV load_real() {
    const char* path = std::getenv("HWVAULT_FAULTY_OVER");
    void* const library = path == nullptr ? nullptr : ::dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) return CKR_GENERAL_ERROR;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    return get == nullptr ? CKR_GENERAL_ERROR : get(&real);
}

}  // namespace
}  // namespace hwvault::hardware::testing

using namespace hwvault::hardware::testing;

extern "C" __attribute__((visibility("default"))) Faults* hwvault_faults() {
    return &faults;
}

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
    if (const CK_RV rv = load_real(); rv != CKR_OK) return rv;
    shown = *real;
    shown.C_Initialize = initialize;
    shown.C_GetTokenInfo = get_token_info;
    shown.C_OpenSession = open_session;
    shown.C_CloseSession = close_session;
    shown.C_GetSessionInfo = get_session_info;
    shown.C_Login = login;
    shown.C_FindObjects = find_objects;
    shown.C_SignInit = sign_init;
    shown.C_Sign = sign;
    shown.C_CreateObject = create_object;
    shown.C_DestroyObject = destroy_object;
    shown.C_GetAttributeValue = get_attribute_value;
    shown.C_SetAttributeValue = set_attribute_value;
    *list = &shown;
    return CKR_OK;
}
