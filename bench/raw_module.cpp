// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bench/raw_module.h"

#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include <dlfcn.h>

namespace hwvault::bench {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kRootKey = "hwvault-root";

void require(const char* call, CK_RV rv) {
    if (rv != CKR_OK) throw std::runtime_error(std::string(call) + " gave " + std::to_string(rv));
}

CK_FUNCTION_LIST* function_list(const std::filesystem::path& module) {
    void* const library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(::dlerror());
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* functions = nullptr;
    require("C_GetFunctionList", get(&functions));
    return functions;
}

CK_SLOT_ID initialised_slot(CK_FUNCTION_LIST* functions) {
    std::array<CK_SLOT_ID, 16> slots;
    CK_ULONG count = slots.size();
    require("C_GetSlotList", functions->C_GetSlotList(CK_TRUE, slots.data(), &count));
    for (CK_ULONG i = 0; i < count; ++i) {
        CK_TOKEN_INFO info{};
        require("C_GetTokenInfo", functions->C_GetTokenInfo(slots[i], &info));
        if ((info.flags & CKF_TOKEN_INITIALIZED) != 0) return slots[i];
    }
    throw std::runtime_error("no token is initialised");
}

}  // namespace

RawModule::RawModule(const std::filesystem::path& module, const SecretBytes& pin) : functions_(function_list(module)) {
    CK_C_INITIALIZE_ARGS arguments{};
    arguments.flags = CKF_OS_LOCKING_OK;
    require("C_Initialize", functions_->C_Initialize(&arguments));
    slot_ = initialised_slot(functions_);
    session_ = open_session(CKF_SERIAL_SESSION | CKF_RW_SESSION);
    require("C_Login", functions_->C_Login(session_, CKU_USER, const_cast<CK_UTF8CHAR*>(pin.reveal().data()), pin.size()));
    std::string label(kRootKey);
    CK_ATTRIBUTE wanted{CKA_LABEL, label.data(), label.size()};
    require("C_FindObjectsInit", functions_->C_FindObjectsInit(session_, &wanted, 1));
    CK_ULONG count = 0;
    require("C_FindObjects", functions_->C_FindObjects(session_, &key_, 1, &count));
    functions_->C_FindObjectsFinal(session_);
    if (count != 1) throw std::runtime_error("the token has no key with the label " + label);
    make_object();
}

void RawModule::make_object() {
    CK_OBJECT_CLASS kind = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    label_.fill('a');
    std::array<CK_ATTRIBUTE, 4> attributes{{{CKA_CLASS, &kind, sizeof kind},
                                            {CKA_TOKEN, &yes, sizeof yes},
                                            {CKA_PRIVATE, &yes, sizeof yes},
                                            {CKA_LABEL, label_.data(), label_.size()}}};
    require("C_CreateObject", functions_->C_CreateObject(session_, attributes.data(), attributes.size(), &object_));
}

RawModule::~RawModule() {
    functions_->C_DestroyObject(session_, object_);
    functions_->C_Finalize(nullptr);
}

void RawModule::relabel() {
    label_.fill(label_.front() == 'a' ? 'b' : 'a');
    CK_ATTRIBUTE label{CKA_LABEL, label_.data(), label_.size()};
    require("C_SetAttributeValue", functions_->C_SetAttributeValue(session_, object_, &label, 1));
}

CK_SESSION_HANDLE RawModule::open_session(CK_FLAGS flags) const {
    CK_SESSION_HANDLE session = 0;
    require("C_OpenSession", functions_->C_OpenSession(slot_, flags, nullptr, nullptr, &session));
    return session;
}

void RawModule::sign(CK_SESSION_HANDLE session, BytesView input) const {
    CK_MECHANISM mechanism{CKM_SHA256_HMAC, nullptr, 0};
    require("C_SignInit", functions_->C_SignInit(session, &mechanism, key_));
    std::array<CK_BYTE, 32> output;
    CK_ULONG size = output.size();
    require("C_Sign", functions_->C_Sign(session, const_cast<CK_BYTE*>(input.data()), input.size(), output.data(), &size));
}

std::size_t RawModule::sign_until(steady_clock::time_point end, BytesView input) const {
    const CK_SESSION_HANDLE session = open_session();
    std::size_t made = 0;
    for (; steady_clock::now() < end; ++made) sign(session, input);
    require("C_CloseSession", functions_->C_CloseSession(session));
    return made;
}

double RawModule::rate(std::size_t threads, BytesView input, std::chrono::nanoseconds time) const {
    const auto began = steady_clock::now();
    std::vector<std::future<std::size_t>> workers;
    for (std::size_t i = 0; i < threads; ++i) {
        workers.push_back(std::async(std::launch::async, [&] { return sign_until(began + time, input); }));
    }
    std::size_t made = 0;
    for (auto& worker : workers) made += worker.get();
    return static_cast<double>(made) / std::chrono::duration<double>(steady_clock::now() - began).count();
}

}  // namespace hwvault::bench
