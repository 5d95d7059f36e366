// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/contract/raw_token.h"

#include <algorithm>
#include <stdexcept>

#include <dlfcn.h>

namespace hwvault::hardware::testing {
namespace {

void require(const char* call, CK_RV rv) {
    if (rv != CKR_OK) throw std::runtime_error(std::string(call) + ": " + pkcs11::name_of(rv));
}

CK_FUNCTION_LIST* function_list(const std::filesystem::path& module) {
    void* const library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) throw std::runtime_error(::dlerror());
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    ::dlclose(library);
    CK_FUNCTION_LIST* functions = nullptr;
    require("C_GetFunctionList", get(&functions));
    return functions;
}

CK_SLOT_ID slot_with(CK_FUNCTION_LIST* functions, const std::string& serial) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    require("C_GetSlotList", functions->C_GetSlotList(CK_TRUE, slots, &count));
    for (CK_ULONG i = 0; i < count; ++i) {
        CK_TOKEN_INFO info{};
        require("C_GetTokenInfo", functions->C_GetTokenInfo(slots[i], &info));
        const bool initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
        if (initialised && pkcs11::text_of_field(info.serialNumber) == serial) return slots[i];
    }
    throw std::runtime_error("no token with the serial " + serial);
}

}  // namespace

RawToken::RawToken(const std::filesystem::path& module, const std::string& serial)
    : functions_(function_list(module)) {
    CK_C_INITIALIZE_ARGS arguments{};
    arguments.flags = CKF_OS_LOCKING_OK;
    const CK_RV rv = functions_->C_Initialize(&arguments);
    initialised_here_ = rv == CKR_OK;
    if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) require("C_Initialize", rv);
    slot_ = slot_with(functions_, serial);
}

RawToken::~RawToken() {
    if (session_ != 0) functions_->C_CloseSession(session_);
    if (initialised_here_) functions_->C_Finalize(nullptr);
}

CK_SESSION_HANDLE RawToken::session() {
    if (session_ == 0) {
        require("C_OpenSession", functions_->C_OpenSession(slot_, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr,
                                                           nullptr, &session_));
    }
    return session_;
}

CK_TOKEN_INFO RawToken::info() const {
    CK_TOKEN_INFO info{};
    require("C_GetTokenInfo", functions_->C_GetTokenInfo(slot_, &info));
    return info;
}

void RawToken::close_all_sessions() {
    require("C_CloseAllSessions", functions_->C_CloseAllSessions(slot_));
    session_ = 0;
}

CK_RV RawToken::log_in(const SecretBytes& pin) {
    return functions_->C_Login(session(), CKU_USER, const_cast<CK_UTF8CHAR*>(pin.reveal().data()), pin.size());
}

std::vector<CK_OBJECT_HANDLE> RawToken::find(pkcs11::Template wanted) {
    require("C_FindObjectsInit", functions_->C_FindObjectsInit(session(), wanted.data(), wanted.size()));
    std::vector<CK_OBJECT_HANDLE> found(pkcs11::kMaxMatches);
    CK_ULONG count = 0;
    const CK_RV rv = functions_->C_FindObjects(session(), found.data(), found.size(), &count);
    functions_->C_FindObjectsFinal(session());
    require("C_FindObjects", rv);
    found.resize(count);
    return found;
}

std::vector<CK_OBJECT_HANDLE> RawToken::find(CK_OBJECT_CLASS object_class, std::string_view label) {
    return find(pkcs11::Template().number(CKA_CLASS, object_class).text(CKA_LABEL, label));
}

std::vector<CK_OBJECT_HANDLE> RawToken::find_data(std::string_view label_begin) {
    auto found = find(pkcs11::Template().number(CKA_CLASS, CKO_DATA));
    std::erase_if(found, [&](CK_OBJECT_HANDLE object) { return !label_of(object).starts_with(label_begin); });
    std::sort(found.begin(), found.end());
    return found;
}

CK_RV RawToken::read(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, Bytes& value) {
    value.assign(2 * pkcs11::kMaxAttributeSize, 0);
    CK_ATTRIBUTE query{type, value.data(), value.size()};
    const CK_RV rv = functions_->C_GetAttributeValue(session(), object, &query, 1);
    value.resize(rv == CKR_OK && query.ulValueLen <= value.size() ? query.ulValueLen : 0);
    return rv;
}

CK_RV RawToken::read_value(CK_OBJECT_HANDLE object, Bytes& value) {
    return read(object, CKA_VALUE, value);
}

std::string RawToken::label_of(CK_OBJECT_HANDLE object) {
    Bytes label;
    require("C_GetAttributeValue", read(object, CKA_LABEL, label));
    return std::string(text_of(label));
}

void RawToken::set_label(CK_OBJECT_HANDLE object, std::string_view label) {
    pkcs11::Template change;
    change.text(CKA_LABEL, label);
    require("C_SetAttributeValue", functions_->C_SetAttributeValue(session(), object, change.data(), change.size()));
}

void RawToken::add_data(std::string_view label, const Bytes& value) {
    pkcs11::Template attributes;
    attributes.number(CKA_CLASS, CKO_DATA)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .text(CKA_APPLICATION, "hwvault")
        .text(CKA_LABEL, label)
        .bytes(CKA_VALUE, value);
    CK_OBJECT_HANDLE object = 0;
    require("C_CreateObject", functions_->C_CreateObject(session(), attributes.data(), attributes.size(), &object));
}

bool RawToken::add_public_data(std::string_view label) {
    pkcs11::Template attributes;
    attributes.number(CKA_CLASS, CKO_DATA)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, false)
        .text(CKA_APPLICATION, "hwvault")
        .text(CKA_LABEL, label);
    CK_OBJECT_HANDLE object = 0;
    return functions_->C_CreateObject(session(), attributes.data(), attributes.size(), &object) == CKR_OK;
}

// A key whose value somebody knows: what hwvault must not take for its own.
void RawToken::add_secret_key(std::string_view label) {
    pkcs11::Template attributes;
    attributes.number(CKA_CLASS, CKO_SECRET_KEY)
        .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
        .flag(CKA_TOKEN, true)
        .flag(CKA_PRIVATE, true)
        .flag(CKA_SENSITIVE, true)
        .flag(CKA_EXTRACTABLE, false)
        .flag(CKA_SIGN, true)
        .text(CKA_LABEL, label)
        .bytes(CKA_VALUE, Bytes(32, 7));
    CK_OBJECT_HANDLE object = 0;
    require("C_CreateObject", functions_->C_CreateObject(session(), attributes.data(), attributes.size(), &object));
}

void RawToken::destroy(CK_OBJECT_HANDLE object) {
    require("C_DestroyObject", functions_->C_DestroyObject(session(), object));
}

}  // namespace hwvault::hardware::testing
